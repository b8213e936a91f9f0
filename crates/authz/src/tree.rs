//! The catalogue as a tree of path segments, laid out by the compiler: each node's children stand together, the shorter
//! segments first, so that a look-up compares numbers until few are left.

use crate::catalogue::{CATALOGUE, COUNT, Row};

/// One prefix of the catalogue's paths.
#[derive(Clone, Copy)]
pub(crate) struct Node {
    /// The last segment of the prefix; empty at the root.
    segment: &'static str,
    /// The endpoint whose path is the prefix.
    row: Option<&'static Row>,
    /// The children are the nodes from here,
    first_child: u8,
    /// up to but not including this one.
    end: u8,
}

/// What a segment of a request's path is at its place.
pub(crate) enum Step {
    /// A segment of the catalogue, which leads to this node.
    Literal(&'static Node),
    /// One but for its case.
    OtherCase,
    /// None that the catalogue knows.
    Unknown,
}

/// The number of different prefixes, the empty one included.
const NODE_COUNT: usize = 132;

static NODES: [Node; NODE_COUNT] = build();

/// The empty prefix.
pub(crate) fn root() -> Option<&'static Node> {
    NODES.first()
}

impl Node {
    /// The endpoint whose path ends here.
    pub(crate) const fn row(&self) -> Option<&'static Row> {
        self.row
    }

    /// The node below for exactly this segment.
    pub(crate) fn child(&self, segment: &str) -> Option<&'static Node> {
        self.similar(segment).filter(|node| node.segment == segment)
    }

    /// What this segment is below the node.
    pub(crate) fn step(&self, segment: &str) -> Step {
        match self.similar(segment) {
            Some(node) if node.segment == segment => Step::Literal(node),
            Some(_) => Step::OtherCase,
            None => Step::Unknown,
        }
    }

    /// The node below whose segment is this one, if case does not matter. There is one at most: the catalogue is in
    /// lower case.
    fn similar(&self, segment: &str) -> Option<&'static Node> {
        let children = self.children();
        let first = children.partition_point(|node| node.segment.len() < segment.len());
        let mut candidates =
            children.iter().skip(first).take_while(|node| node.segment.len() == segment.len());
        candidates.find(|node| node.segment.eq_ignore_ascii_case(segment))
    }

    fn children(&self) -> &'static [Node] {
        NODES.get(usize::from(self.first_child)..usize::from(self.end)).unwrap_or_default()
    }
}

/// Breadth first. The rows below a node are a range of the catalogue, because that is sorted by segments.
#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler only: an index out of bounds fails the build"
)]
const fn build() -> [Node; NODE_COUNT] {
    let mut nodes = [Node { segment: "", row: None, first_child: 0, end: 0 }; NODE_COUNT];
    // Per node: its rows, and the length of the prefix in bytes.
    let mut spans = [(0, COUNT, 0); NODE_COUNT];
    let mut made = 1;
    let mut node = 0;
    while node < made {
        let (mut row, end, prefix) = spans[node];
        if CATALOGUE[row].path.len() == prefix {
            nodes[node].row = Some(&CATALOGUE[row]);
            row += 1;
        }
        nodes[node].first_child = made as u8;
        while row < end {
            let segment = segment_at(CATALOGUE[row].path, prefix + 1);
            let first = row;
            while row < end && same(segment_at(CATALOGUE[row].path, prefix + 1), segment) {
                row += 1;
            }
            let mut place = made;
            while place > nodes[node].first_child as usize && nodes[place - 1].segment.len() > segment.len() {
                nodes[place] = nodes[place - 1];
                spans[place] = spans[place - 1];
                place -= 1;
            }
            nodes[place].segment = segment;
            spans[place] = (first, row, prefix + 1 + segment.len());
            made += 1;
        }
        nodes[node].end = made as u8;
        node += 1;
    }
    assert!(made == NODE_COUNT && made <= u8::MAX as usize, "NODE_COUNT is not the number of prefixes");
    nodes
}

/// The segment of `path` that begins at the byte `start`.
#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler only: an index out of bounds fails the build"
)]
const fn segment_at(path: &'static str, start: usize) -> &'static str {
    let mut end = start;
    while end < path.len() && path.as_bytes()[end] != b'/' {
        end += 1;
    }
    path.split_at(end).0.split_at(start).1
}

#[expect(
    clippy::indexing_slicing,
    reason = "run by the compiler only: an index out of bounds fails the build"
)]
const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn walk(node: &Node, prefix: &str, seen: &mut BTreeSet<String>) {
        seen.insert(prefix.to_owned());
        if let Some(row) = node.row() {
            assert_eq!(row.path, prefix);
        }
        assert!(node.children().is_sorted_by_key(|node| node.segment.len()), "{prefix}");
        for child in node.children() {
            walk(child, &format!("{prefix}/{}", child.segment), seen);
        }
    }

    #[test]
    fn holds_every_prefix_once_and_every_row() {
        let mut seen = BTreeSet::new();
        walk(root().unwrap(), "", &mut seen);
        assert_eq!(seen.len(), NODE_COUNT);
        let prefixes: BTreeSet<String> = CATALOGUE
            .iter()
            .flat_map(|row| {
                let slashes = row.path.match_indices('/').map(|(index, _)| &row.path[..index]);
                slashes.chain([row.path]).map(str::to_owned)
            })
            .collect();
        assert_eq!(seen, prefixes);
        assert_eq!(NODES.iter().filter(|node| node.row.is_some()).count(), COUNT);
    }

    #[test]
    fn looks_segments_up() {
        let api = root().unwrap().child("api").unwrap();
        assert!(api.row().is_none());
        assert!(api.child("user").unwrap().row().is_some());
        assert!(api.child("use").is_none() && api.child("users").is_none() && api.child("").is_none());
        assert!(matches!(api.step("user"), Step::Literal(node) if node.segment == "user"));
        assert!(matches!(api.step("User"), Step::OtherCase));
        assert!(matches!(api.step("Users"), Step::Unknown));
        assert!(matches!(api.step(""), Step::Unknown));
    }
}
