//! The templates of the table as a tree by segments, so that a path is compared with those that it can fit and not with all of them.

use std::sync::LazyLock;

use claviger_authz::Path;

use super::{Dialect, Parameter, ROUTES, Route};

/// Made of the table when it is first looked at.
static TREE: LazyLock<Node> = LazyLock::new(|| {
    let mut tree = Node::default();
    for route in ROUTES {
        tree.add(route.template.split('/').skip(1), route);
    }
    tree
});

#[derive(Default)]
struct Node {
    /// What follows a literal segment.
    literals: Vec<(&'static str, Node)>,
    /// What follows any segment.
    parameter: Option<Box<Node>>,
    /// The routes of the template that ends here.
    routes: Vec<&'static Route>,
}

/// The routes of one template, and the values of its parameters in a path. No template has more than two.
pub(super) struct Fit<'a> {
    pub(super) routes: &'static [&'static Route],
    pub(super) parameters: [Parameter<'a>; 2],
    /// Whether one of the routes is spoken, and the number of literal segments.
    rank: (bool, usize),
}

/// The template that a path fits best: one with routes in the dialect goes before others, then the one with more literal
/// segments, then the one with the earlier literal segment.
pub(super) fn best_fit<'a>(path: &Path<'a>, dialect: Dialect) -> Option<Fit<'a>> {
    let mut best = None;
    TREE.search(path.segments(), (0, [None; 2]), dialect, &mut best);
    best
}

impl Node {
    fn add(&mut self, mut segments: impl Iterator<Item = &'static str>, route: &'static Route) {
        let next = match segments.next() {
            None => {
                self.routes.push(route);
                return;
            }
            Some(name) if name.starts_with('{') => self.parameter.get_or_insert_default(),
            Some(literal) => {
                let known = self.literals.iter().position(|(own, _)| *own == literal);
                let place = known.unwrap_or(self.literals.len());
                if known.is_none() {
                    self.literals.push((literal, Self::default()));
                }
                match self.literals.get_mut(place) {
                    Some((_, node)) => node,
                    None => return,
                }
            }
        };
        next.add(segments, route);
    }

    /// `so_far` are the number of literal segments and the parameters on the way here.
    fn search<'a>(
        &'static self,
        mut segments: impl Iterator<Item = &'a str> + Clone,
        so_far: (usize, [Parameter<'a>; 2]),
        dialect: Dialect,
        best: &mut Option<Fit<'a>>,
    ) {
        let (literals, parameters) = so_far;
        let Some(segment) = segments.next() else {
            let rank = (self.routes.iter().any(|route| route.is_spoken(dialect)), literals);
            if !self.routes.is_empty() && best.as_ref().is_none_or(|best| rank > best.rank) {
                *best = Some(Fit { routes: &self.routes, parameters, rank });
            }
            return;
        };
        if let Some((_, node)) = self.literals.iter().find(|(literal, _)| *literal == segment) {
            node.search(segments.clone(), (literals + 1, parameters), dialect, best);
        }
        if let Some(node) = &self.parameter {
            let [first, _] = parameters;
            let parameters = if first.is_none() { [Some(segment), None] } else { [first, Some(segment)] };
            node.search(segments, (literals, parameters), dialect, best);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What a search through the whole table finds: the first of the best templates, and its parameters.
    fn searched<'a>(path: &Path<'a>, dialect: Dialect) -> Option<(&'static str, Vec<&'a str>)> {
        let mut best: Option<((bool, usize), &'static str, Vec<&'a str>)> = None;
        for route in ROUTES {
            let wanted: Vec<_> = route.template.split('/').skip(1).collect();
            let given: Vec<_> = path.segments().collect();
            let is_parameter = |name: &str| name.starts_with('{');
            let fits = |(name, segment): (&&str, &&str)| is_parameter(name) || name == segment;
            if wanted.len() != given.len() || !wanted.iter().zip(&given).all(fits) {
                continue;
            }
            let parameters: Vec<_> = wanted
                .iter()
                .zip(&given)
                .filter(|(name, _)| is_parameter(name))
                .map(|(_, value)| *value)
                .collect();
            let rank = (route.is_spoken(dialect), wanted.len() - parameters.len());
            if best.as_ref().is_none_or(|(highest, ..)| rank > *highest) {
                best = Some((rank, route.template, parameters));
            }
        }
        best.map(|(_, template, parameters)| (template, parameters))
    }

    /// Every path of up to five segments that begins as a template does, out of all words that stand in templates and one
    /// that does not.
    #[test]
    fn the_tree_finds_what_a_search_through_the_table_finds() {
        let words: BTreeSet<_> = ROUTES.iter().flat_map(|route| route.template.split('/').skip(1)).collect();
        let words: Vec<_> = words.into_iter().filter(|word| !word.starts_with('{')).chain(["x"]).collect();
        let templates: BTreeSet<Vec<_>> =
            ROUTES.iter().map(|route| route.template.split('/').skip(1).collect()).collect();
        let begins = |path: &String| {
            let segments: Vec<_> = path.split('/').skip(1).collect();
            templates.iter().any(|wanted| {
                let mut pairs = wanted.iter().zip(&segments);
                wanted.len() >= segments.len()
                    && pairs.all(|(name, own)| name.starts_with('{') || name == own)
            })
        };
        let mut paths: Vec<String> = vec![String::new()];
        let mut compared = 0;
        for _ in 0..5 {
            let longer = paths.iter().flat_map(|path| words.iter().map(move |word| format!("{path}/{word}")));
            paths = longer.filter(begins).collect();
            for path in &paths {
                let path = Path::parse(path.as_bytes()).unwrap();
                for dialect in [Dialect::FusionAuth, Dialect::Fusion, Dialect::OAuth] {
                    let found = best_fit(&path, dialect).map(|fit| {
                        (fit.routes[0].template, fit.parameters.into_iter().flatten().collect::<Vec<_>>())
                    });
                    assert_eq!(found, searched(&path, dialect), "{path} {dialect:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 1_000, "{compared}");
    }
}
