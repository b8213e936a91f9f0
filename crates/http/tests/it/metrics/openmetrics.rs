//! A strict reader of the text format of OpenMetrics 1.0, as far as counters, gauges and histograms need it.

use std::collections::{BTreeMap, BTreeSet};

use super::Series;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What is known of the family whose lines are being read.
struct Family {
    name: String,
    kind: Option<Kind>,
    help: bool,
    unit: bool,
    samples: bool,
}

/// The buckets of a histogram by their upper bounds, and its count.
#[derive(Default)]
struct Histogram {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
}

/// The series of a text, in which every line must be as the format says.
#[track_caller]
pub(super) fn parse(text: &str) -> Series {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with # EOF and one line end");
    assert!(body.is_empty() || body.ends_with('\n'));
    assert!(!text.contains('\r') && !text.contains('\t'));
    let mut series = Series::new();
    let mut families = BTreeSet::new();
    let mut histograms: BTreeMap<String, Histogram> = BTreeMap::new();
    let mut family: Option<Family> = None;
    for line in body.lines() {
        assert!(!line.is_empty() && line.trim() == line, "{line:?}");
        if let Some(rest) = line.strip_prefix("# ") {
            let (word, rest) = rest.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            is_name(name);
            if family.as_ref().is_none_or(|family| family.name != name) {
                assert!(families.insert(name.to_owned()), "{name} stands in two places");
                let name = name.to_owned();
                family = Some(Family { name, kind: None, help: false, unit: false, samples: false });
            }
            let family = family.as_mut().unwrap();
            assert!(!family.samples, "{line} after samples");
            metadata(family, word, rest, line);
            continue;
        }
        assert!(!line.starts_with('#'), "{line}");
        let family = family.as_mut().unwrap_or_else(|| panic!("{line} belongs to no family"));
        let kind = family.kind.unwrap_or_else(|| panic!("{line} has no type"));
        assert!(family.help, "{line} has no help");
        family.samples = true;
        let (name, labels, number) = sample(line);
        let suffix = name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{line}"));
        let is_bucket = suffix == "_bucket";
        match kind {
            Kind::Counter => assert!(suffix == "_total", "{line}"),
            Kind::Gauge => assert!(suffix.is_empty(), "{line}"),
            Kind::Histogram => assert!(is_bucket || ["_count", "_sum"].contains(&suffix), "{line}"),
        }
        assert!(number.is_finite() && (kind == Kind::Gauge || number >= 0.0), "{line}");
        assert_eq!(labels.contains_key("le"), is_bucket, "{line}");
        if kind == Kind::Histogram {
            let mut others = labels.clone();
            let bound = others.remove("le");
            let identity = format!("{}{others:?}", family.name);
            let histogram = histograms.entry(identity).or_default();
            match bound {
                Some(bound) => {
                    let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                    let (last_bound, last) =
                        histogram.buckets.last().copied().unwrap_or((f64::NEG_INFINITY, 0.0));
                    assert!(bound > last_bound && number >= last, "{line}");
                    histogram.buckets.push((bound, number));
                }
                None if suffix == "_count" => {
                    histogram.count = Some(number);
                }
                None => {}
            }
        }
        let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        assert!(series.insert(format!("{name}{labels}"), number).is_none(), "{line} stands twice");
    }
    for (identity, histogram) in histograms {
        let last = histogram.buckets.last().copied();
        assert_eq!(last, histogram.count.map(|count| (f64::INFINITY, count)), "{identity}");
    }
    series
}

#[track_caller]
fn metadata(family: &mut Family, word: &str, rest: &str, line: &str) {
    match word {
        "HELP" => {
            assert!(!family.help && !rest.is_empty(), "{line}");
            family.help = true;
        }
        "TYPE" => {
            assert!(family.kind.is_none(), "{line}");
            family.kind = Some(match rest {
                "counter" => Kind::Counter,
                "gauge" => Kind::Gauge,
                "histogram" => Kind::Histogram,
                other => panic!("{other} in {line}"),
            });
        }
        "UNIT" => {
            assert!(!family.unit && family.name.ends_with(&format!("_{rest}")), "{line}");
            family.unit = true;
        }
        other => panic!("{other} in {line}"),
    }
}

/// A line that is a sample, without timestamp or exemplar: name, labels, value.
#[track_caller]
fn sample(line: &str) -> (&str, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    is_name(name);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            is_name(label);
            assert!(!label.contains(':'), "{line}");
            let (value, after) = quoted(after).unwrap_or_else(|| panic!("{line}"));
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice in {line}");
            if let Some(after) = after.strip_prefix(',') {
                rest = after;
            } else {
                rest = after.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
                break;
            }
        }
    }
    let number = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    assert!(number.bytes().all(|byte| byte.is_ascii_digit() || b".e+-".contains(&byte)), "{line}");
    (name, labels, number.parse().unwrap_or_else(|_| panic!("{line}")))
}

/// The text up to the closing quote, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, text.get(at + 1..)?)),
            (_, '\\') => value.push(match characters.next()?.1 {
                'n' => '\n',
                same @ ('\\' | '"') => same,
                _ => return None,
            }),
            (_, '\n') => return None,
            (_, other) => value.push(other),
        }
    }
}

#[track_caller]
fn is_name(name: &str) {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    assert!(
        !name.is_empty() && name.bytes().all(good) && !name.as_bytes()[0].is_ascii_digit(),
        "{name:?} is no name"
    );
}

#[test]
fn the_reader_is_strict() {
    let good =
        "# HELP a About a.\n# TYPE a counter\na_total{x=\"1\",y=\"\\\"\\\\\\n\"} 3\na_total 4\n# EOF\n";
    assert_eq!(parse(good).len(), 2);
    for bad in [
        "",
        "# EOF",
        "# EOF\n\n",
        "a 1\n# EOF\n",
        "# TYPE a gauge\na 1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na_total 1\n# EOF\n",
        "# HELP a A.\n# TYPE a counter\na 1\n# EOF\n",
        "# HELP a A.\n# TYPE a counter\na_total -1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na 1\na 1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na{x=1} 1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na{x=\"1\"}1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na NaN\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na 1 \n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\n\na 1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
        "# HELP a A.\n# TYPE a gauge\na 1\n# HELP b B.\n# TYPE b gauge\nb 1\n# HELP a A.\n# EOF\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1.0\"} 1\na_count 1\na_sum 1\n# EOF\n",
        "# HELP a A.\n# TYPE a histogram\na_bucket{le=\"1.0\"} 2\na_bucket{le=\"+Inf\"} 1\na_count 1\na_sum 1\n# EOF\n",
    ] {
        assert!(std::panic::catch_unwind(|| parse(bad)).is_err(), "{bad}");
    }
}
