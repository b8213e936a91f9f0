//! The patterns of Fusion roles, compiled: `*` is one segment, `**` any number of them, `{name}` one of a list of values.
//!
//! Patterns run over the segments of a path, percent-decoded once, without the base `api` (or `api/apollo`, as Fusion 3
//! had it) that paths start with. A match walks forward and returns to the last `**` only, so that it takes at most as many
//! steps as the pattern has pieces times the path segments, whatever either looks like.

use std::sync::Arc;

use claviger_domain::{Fragment, OWN_USER_ID, RequestMethod, RequestMethodSet, RolePermission};

use crate::Path;
use crate::path::decoded;

/// Paths with more segments match no pattern. With the bounds on roles it bounds what a decision can cost.
pub(crate) const MAXIMUM_SEGMENTS: usize = 32;

/// What several roles allow together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Patterns(Box<[Pattern]>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Pattern {
    pieces: Box<[Piece]>,
    methods: RequestMethodSet,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Piece {
    /// Exactly one of these, sorted; one for a literal. Shared, since a variable can stand in a pattern many times.
    OneOf(Arc<[Box<str>]>),
    One,
    Any,
}

impl Patterns {
    /// The sum of these permissions: methods of equal patterns add up. A variable that could be nothing but the id of the
    /// calling user matches nothing, since an API key has none.
    pub(crate) fn compile<'a>(permissions: impl IntoIterator<Item = &'a RolePermission>) -> Self {
        let mut patterns: Vec<Pattern> = permissions.into_iter().filter_map(Pattern::compile).collect();
        patterns.sort_unstable();
        patterns.dedup_by(|next, kept| {
            let same = next.pieces == kept.pieces;
            if same {
                kept.methods = kept.methods.union(next.methods);
            }
            same
        });
        Self(patterns.into_boxed_slice())
    }

    /// Whether any pattern lists the method and matches the path.
    pub(crate) fn allow(&self, method: RequestMethod, path: &Path<'_>) -> bool {
        if path.segments().nth(MAXIMUM_SEGMENTS).is_some() {
            return false;
        }
        let segments = without_base(path);
        self.0.iter().any(|pattern| pattern.methods.contains(method) && pattern.matches(segments.clone()))
    }

    /// The patterns that list the method and match the path, with their methods, as roles write them: of a list of values the
    /// one that the path has.
    pub(crate) fn matching(
        &self,
        method: RequestMethod,
        path: &Path<'_>,
    ) -> impl Iterator<Item = (RequestMethodSet, String)> {
        let segments = without_base(path);
        let is_short = path.segments().nth(MAXIMUM_SEGMENTS).is_none();
        let listing = self.0.iter().filter(move |pattern| is_short && pattern.methods.contains(method));
        listing.filter_map(move |pattern| Some((pattern.methods, pattern.written_for(segments.clone())?)))
    }

    /// Whether the methods of the role `admin` are allowed on every path.
    pub(crate) fn are_unrestricted(&self) -> bool {
        let everywhere = |pattern: &&Pattern| {
            !pattern.pieces.is_empty() && pattern.pieces.iter().all(|piece| *piece == Piece::Any)
        };
        let methods = self.0.iter().filter(everywhere).map(|pattern| pattern.methods);
        methods.fold(RequestMethodSet::EMPTY, RequestMethodSet::union).covers(RequestMethodSet::ADMIN)
    }

    /// Whether the method is allowed on every path of an endpoint: on its segments with any others between and behind them.
    pub(crate) fn open_below(&self, endpoint: &str, method: RequestMethod) -> bool {
        let mut wanted = Vec::new();
        let segments = endpoint.split('/').filter(|segment| !segment.is_empty());
        for (index, segment) in segments.filter(|segment| *segment != "api").enumerate() {
            if index > 0 {
                wanted.push(Piece::Any);
            }
            wanted.push(Piece::OneOf([segment.into()].into()));
        }
        wanted.push(Piece::Any);
        self.0.iter().any(|own| own.methods.contains(method) && includes(&own.pieces, &wanted))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everything that `other` allows is allowed here. Looks for one pattern here for each method of each pattern
    /// there, so that it can say no where several patterns would cover one together, and never yes where they do not.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| {
            wanted.methods.iter().all(|method| {
                self.0.iter().any(|own| own.methods.contains(method) && includes(&own.pieces, &wanted.pieces))
            })
        })
    }
}

/// The segments that patterns see.
fn without_base<'a>(path: &Path<'a>) -> impl Iterator<Item = &'a str> + Clone + use<'a> {
    let all = path.segments();
    let mut rest = all.clone();
    if rest.next() != Some("api") {
        return all;
    }
    let behind_api = rest.clone();
    if rest.next() == Some("apollo") { rest } else { behind_api }
}

impl Pattern {
    fn compile(permission: &RolePermission) -> Option<Self> {
        let mut pieces = Vec::with_capacity(permission.fragments().len());
        let mut compiled: Vec<(&String, Arc<[Box<str>]>)> = Vec::new();
        for fragment in permission.fragments() {
            pieces.push(match fragment {
                Fragment::Literal(text) => Piece::OneOf([text.as_str().into()].into()),
                Fragment::One => Piece::One,
                Fragment::Any => Piece::Any,
                Fragment::Variable(name) => {
                    if let Some((_, values)) = compiled.iter().find(|(own, _)| *own == name) {
                        pieces.push(Piece::OneOf(Arc::clone(values)));
                        continue;
                    }
                    let values = permission.values().get(name)?;
                    let mut values: Vec<Box<str>> = values
                        .iter()
                        .filter(|value| *value != OWN_USER_ID)
                        .map(|value| value.as_str().into())
                        .collect();
                    if values.is_empty() {
                        return None;
                    }
                    values.sort_unstable();
                    let values: Arc<[Box<str>]> = values.into();
                    compiled.push((name, Arc::clone(&values)));
                    Piece::OneOf(values)
                }
            });
        }
        Some(Self { pieces: pieces.into_boxed_slice(), methods: permission.methods() })
    }

    fn matches<'a>(&self, segments: impl Iterator<Item = &'a str> + Clone) -> bool {
        self.walk(segments, |_, _| {})
    }

    /// The pattern for these segments, if it matches them, in the form of a role's path. A value stands there as it would as
    /// a literal; what cannot is percent-encoded.
    fn written_for<'a>(&self, segments: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
        let mut taken = vec![""; self.pieces.len()];
        // After the last step back, pieces are told their segments anew.
        let matches = self.walk(segments, |behind, segment| {
            let place = self.pieces.len().checked_sub(behind + 1).and_then(|place| taken.get_mut(place));
            place.into_iter().for_each(|place| *place = segment);
        });
        if !matches {
            return None;
        }
        let mut path = String::new();
        for (piece, segment) in self.pieces.iter().zip(taken) {
            path.push('/');
            match piece {
                Piece::Any => path.push_str("**"),
                Piece::One => path.push('*'),
                Piece::OneOf(values) => {
                    push_literal(&mut path, values.iter().find(|value| is(value, segment))?)
                }
            }
        }
        if path.is_empty() {
            path.push('/');
        }
        Some(path)
    }

    /// Whether the segments match. `taken` is told of each segment that a piece takes, and how many pieces stand behind that
    /// one.
    fn walk<'a>(
        &self,
        mut segments: impl Iterator<Item = &'a str> + Clone,
        mut taken: impl FnMut(usize, &'a str),
    ) -> bool {
        let mut rest = &*self.pieces;
        // What follows the last `**`, and the segments that it has not taken yet.
        let mut last_any = None;
        loop {
            if let [Piece::Any, behind @ ..] = rest {
                last_any = Some((behind, segments.clone()));
                rest = behind;
                continue;
            }
            let mut ahead = segments.clone();
            let Some(segment) = ahead.next() else { return rest.is_empty() };
            match rest {
                [piece, behind @ ..] if piece.matches(segment) => {
                    taken(behind.len(), segment);
                    rest = behind;
                    segments = ahead;
                }
                _ => {
                    let Some((behind, untaken)) = &mut last_any else { return false };
                    untaken.next();
                    rest = behind;
                    segments = untaken.clone();
                }
            }
        }
    }
}

/// Whether a value is what the segment stands for.
fn is(value: &str, segment: &str) -> bool {
    value.bytes().eq(decoded(segment))
}

/// Writes a value as a fragment of a pattern that is a literal. See [`RolePermission`] for what cannot stand there.
fn push_literal(path: &mut String, value: &str) {
    for c in value.chars() {
        if c.is_control() || c.is_whitespace() || "*{}%;\\?#:/".contains(c) {
            c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| path.push_str(&format!("%{byte:02X}")));
        } else {
            path.push(c);
        }
    }
}

impl Piece {
    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::OneOf(values) if segment.contains('%') => {
                values.binary_search_by(|value| value.bytes().cmp(decoded(segment))).is_ok()
            }
            Self::OneOf(values) => values.binary_search_by(|value| (**value).cmp(segment)).is_ok(),
            Self::One | Self::Any => true,
        }
    }

    /// Whether every segment that `other` takes is taken here too; `**` is not asked about.
    fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Any) => false,
            (Self::One | Self::Any, _) => true,
            (Self::OneOf(_), Self::One) => false,
            (Self::OneOf(own), Self::OneOf(wanted)) => {
                wanted.iter().all(|value| own.binary_search(value).is_ok())
            }
        }
    }
}

/// Whether every path that the pattern `wanted` matches is matched by `own`: the same walk, over pieces instead of segments.
/// A `**` that is wanted is taken by a `**` here only.
fn includes(own: &[Piece], wanted: &[Piece]) -> bool {
    let (mut own, mut wanted) = (own, wanted);
    let mut last_any: Option<(&[Piece], &[Piece])> = None;
    loop {
        if let [Piece::Any, behind @ ..] = own {
            last_any = Some((behind, wanted));
            own = behind;
            continue;
        }
        let [piece, ahead @ ..] = wanted else { return own.is_empty() };
        match own {
            [mine, behind @ ..] if mine.includes(piece) => (own, wanted) = (behind, ahead),
            _ => match last_any {
                Some((behind, [_, untaken @ ..])) => {
                    last_any = Some((behind, untaken));
                    (own, wanted) = (behind, untaken);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn patterns(lines: &[&str]) -> Patterns {
        let permissions: Vec<RolePermission> = lines.iter().map(|line| line.parse().unwrap()).collect();
        Patterns::compile(&permissions)
    }

    #[track_caller]
    fn check(line: &str, matching: &[&str], others: &[&str]) {
        let patterns = patterns(&[line]);
        let allows = |path: &str| patterns.allow(RequestMethod::Get, &Path::parse(path.as_bytes()).unwrap());
        for path in matching {
            assert!(allows(path), "{line} {path}");
        }
        for path in others {
            assert!(!allows(path), "{line} {path}");
        }
    }

    #[test]
    fn samples_of_the_documentation() {
        check(
            "GET:/query-pipelines/*",
            &["/api/query-pipelines/demo", "/query-pipelines/demo/", "/api/apollo/query-pipelines/demo"],
            &[
                "/api/query-pipelines",
                "/api/query-pipelines/demo/x",
                "/api/Query-pipelines/demo",
                "/api/api/query-pipelines/demo",
            ],
        );
        check(
            "GET:/query-pipelines/**",
            &[
                "/api/query-pipelines",
                "/api/query-pipelines/",
                "/api/query-pipelines/a",
                "/api/query-pipelines/a/b/c",
            ],
            &["/api", "/api/query-pipelines-x", "/x/api/query-pipelines"],
        );
        check(
            "GET:/query-pipelines/{id}/collections/{collection}/*:id=demo;collection=test",
            &["/api/query-pipelines/demo/collections/test/x"],
            &[
                "/api/query-pipelines/demo/collections/test",
                "/api/query-pipelines/demo2/collections/test/x",
                "/api/query-pipelines/demo/collections/tes/x",
                "/api/query-pipelines/demo/collections/test/x/y",
            ],
        );
        check(
            "GET:/collections/{id}:id=C1,a b",
            &["/api/collections/C1", "/api/collections/a%20b"],
            &["/api/collections/c1", "/api/collections/C2"],
        );
        check("GET:/**", &["/", "/api", "/api/x", "/x/y/z"], &[]);
        check("GET:/", &["/", "/api", "/api/apollo"], &["/x", "/api/x"]);
    }

    #[test]
    fn every_value_of_a_variable_is_found_in_every_spelling() {
        let values: Vec<String> = (0..254).map(|number| format!("v{number} é")).collect();
        let line = format!("GET:/x/{{id}}/{{id}}:id=~,!,{}", values.join(","));
        for value in &values {
            let segment = value.replace(' ', "%20").replace('é', "%C3%A9");
            let lower = value.replace(' ', "%20").replace('é', "%c3%a9");
            check(&line, &[&format!("/x/{segment}/{lower}"), &format!("/x/~/{segment}")], &[]);
            check(&line, &[], &[&format!("/x/{segment}/{segment}a"), &format!("/x/{segment}")]);
        }
        check(&line, &["/x/~/!", "/x/!/%21"], &["/x/~/%22", "/x/v1/~"]);
    }

    /// A pattern of 512 bytes can name a variable with 256 values thirty times.
    #[test]
    fn the_values_of_a_variable_are_kept_once() {
        let patterns = patterns(&["GET:/{a}/{b}/{a}/{a}:a=1,2;b=1,2"]);
        let [Piece::OneOf(first), Piece::OneOf(other), Piece::OneOf(second), Piece::OneOf(third)] =
            &*patterns.0[0].pieces
        else {
            panic!("{patterns:?}");
        };
        assert!(Arc::ptr_eq(first, second) && Arc::ptr_eq(first, third));
        assert!(first == other && !Arc::ptr_eq(first, other));
    }

    #[test]
    fn wildcards_anywhere() {
        check("GET:/**/status", &["/api/status", "/api/a/b/status"], &["/api/status/x", "/api/a"]);
        check("GET:/a/**/b/**/c", &["/a/b/c", "/a/x/b/y/z/c", "/a/b/b/c/c"], &["/a/c", "/a/b", "/a/c/b"]);
        check("GET:/**/*/**", &["/a", "/a/b"], &["/"]);
        check("GET:/**/**", &["/", "/a/b"], &[]);
    }

    #[test]
    fn methods_are_granted_one_by_one() {
        let patterns = patterns(&["GET:/a", "HEAD,POST:/a", "PUT:/b"]);
        for (method, path, allowed) in [
            (RequestMethod::Get, "/a", true),
            (RequestMethod::Head, "/a", true),
            (RequestMethod::Post, "/a", true),
            (RequestMethod::Put, "/a", false),
            (RequestMethod::Options, "/a", false),
            (RequestMethod::Head, "/b", false),
        ] {
            assert_eq!(
                patterns.allow(method, &Path::parse(path.as_bytes()).unwrap()),
                allowed,
                "{method} {path}"
            );
        }
    }

    #[test]
    fn the_id_of_the_user_matches_nothing() {
        check("GET:/users/{id}:id=#ID", &[], &["/api/users/1", "/api/users/%23ID", "/api/users"]);
        check("GET:/users/{id}:id=#ID,7", &["/api/users/7"], &["/api/users/%23ID"]);
        assert!(patterns(&["GET:/users/{id}:id=#ID"]).is_empty());
    }

    #[test]
    fn long_paths_match_nothing() {
        let longest = "/a".repeat(MAXIMUM_SEGMENTS);
        check("GET:/**", &[&longest], &[&format!("{longest}/a")]);
    }

    /// The most steps that the bounds allow, many times over: this ends at once or not in a lifetime.
    #[test]
    fn there_is_no_backtracking_blow_up() {
        let pattern = format!("GET:{}/b", "/**/a".repeat(7));
        let patterns = patterns(&[&pattern]);
        let path = "/a".repeat(MAXIMUM_SEGMENTS);
        for _ in 0..1_000 {
            assert!(!patterns.allow(RequestMethod::Get, &Path::parse(path.as_bytes()).unwrap()));
        }
    }

    #[test]
    fn unrestricted_is_six_methods_on_everything() {
        for (lines, expected) in [
            (&["GET,POST,PUT,DELETE,PATCH,HEAD:/**"][..], true),
            (&["GET,POST,PUT,DELETE,PATCH,HEAD,OPTIONS:/**"], true),
            (&["GET,POST,PUT:/**", "DELETE,PATCH,HEAD:/**/**"], true),
            (&["GET,POST,PUT,DELETE,PATCH:/**"], false),
            (&["GET,POST,PUT,DELETE,PATCH,HEAD:/*"], false),
            (&["GET,POST,PUT,DELETE,PATCH,HEAD:/api-key/**"], false),
            (&["GET,POST,PUT,DELETE,PATCH,HEAD:/"], false),
            (&[], false),
        ] {
            assert_eq!(patterns(lines).are_unrestricted(), expected, "{lines:?}");
        }
    }

    #[test]
    fn endpoints_are_open_as_a_whole_or_not_at_all() {
        for (line, endpoint, expected) in [
            ("GET:/**", "/api/user", true),
            ("GET:/user/**", "/api/user", true),
            ("GET:/user", "/api/user", false),
            ("GET:/user/*", "/api/user", false),
            ("GET:/user/**", "/api/user-action", false),
            ("GET:/application/**", "/api/application/role", true),
            ("GET:/application/role/**", "/api/application/role", false),
            ("GET:/application/*/role/**", "/api/application/role", false),
            ("GET:/application/**/role/**", "/api/application/role", true),
            ("POST:/user/**", "/api/user", false),
            ("GET:/oauth2/**", "/oauth2/device/user-code", true),
        ] {
            assert_eq!(
                patterns(&[line]).open_below(endpoint, RequestMethod::Get),
                expected,
                "{line} {endpoint}"
            );
        }
    }

    #[test]
    fn covering() {
        for (own, wanted, expected) in [
            ("GET:/**", "GET:/a/**/b", true),
            ("GET:/a/**", "GET:/a", true),
            ("GET:/a/**", "GET:/a/**", true),
            ("GET:/a/*", "GET:/a/**", false),
            ("GET:/a/**", "GET:/**", false),
            ("GET:/*/b", "GET:/a/b", true),
            ("GET:/a/b", "GET:/*/b", false),
            ("GET:/{x}:x=1,2", "GET:/1", true),
            ("GET:/{x}:x=1,2", "GET:/{y}:y=2", true),
            ("GET:/{x}:x=1,2", "GET:/{y}:y=2,3", false),
            ("GET:/1", "GET:/{y}:y=1", true),
            ("GET:/a", "HEAD:/a", false),
            ("GET:/a", "GET:/{id}:id=#ID", true),
            ("GET:/**/b", "GET:/a/**/b", true),
            ("GET:/**/b/**", "GET:/**/b", true),
            ("GET:/**/b", "GET:/**/b/**", false),
        ] {
            assert_eq!(patterns(&[own]).covers(&patterns(&[wanted])), expected, "{own} {wanted}");
        }
    }

    /// Tries every way to give segments to the wildcards.
    fn naive(pattern: &[&str], path: &[&str]) -> bool {
        match pattern {
            [] => path.is_empty(),
            ["**", rest @ ..] => (0..=path.len()).any(|taken| naive(rest, &path[taken..])),
            [piece, rest @ ..] => {
                !path.is_empty() && (*piece == "*" || *piece == path[0]) && naive(rest, &path[1..])
            }
        }
    }

    fn pieces() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 0..6)
    }

    fn segments() -> impl Strategy<Value = Vec<&'static str>> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 0..7)
    }

    fn compiled(pieces: &[&str]) -> Patterns {
        patterns(&[&format!("GET:/{}", pieces.join("/"))])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn matching_agrees_with_the_naive_way(pattern in pieces(), path in segments()) {
            let text = format!("/{}", path.join("/"));
            let allowed = compiled(&pattern).allow(RequestMethod::Get, &Path::parse(text.as_bytes()).unwrap());
            prop_assert_eq!(allowed, naive(&pattern, &path));
        }

        #[test]
        fn what_is_covered_matches_no_more(own in pieces(), wanted in pieces(), paths in prop::collection::vec(segments(), 20)) {
            if compiled(&own).covers(&compiled(&wanted)) {
                for path in paths {
                    prop_assert!(!naive(&wanted, &path) || naive(&own, &path), "{:?}", path);
                }
            }
        }

        #[test]
        fn a_pattern_covers_itself(own in pieces()) {
            prop_assert!(compiled(&own).covers(&compiled(&own)));
        }
    }
}
