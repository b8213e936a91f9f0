//! Parameters in the query string of a URL. An empty one counts as absent, since some clients send all that they know of;
//! one that stands there twice is refused; unknown ones are ignored.

use claviger_domain::{Violation, Violations, codes};

/// The decoded parameters.
pub(crate) struct Parameters<'a>(&'a [(String, String)]);

impl<'a> Parameters<'a> {
    /// These parameters.
    pub(crate) const fn new(pairs: &'a [(String, String)]) -> Self {
        Self(pairs)
    }

    /// The value of a parameter.
    pub(crate) fn text(&self, name: &'static str, violations: &mut Violations) -> Option<&'a str> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            violations.push(Violation::at(&codes::PARAMETER_AMBIGUOUS, name));
            return None;
        }
        value.filter(|value| !value.is_empty())
    }

    /// The value of a parameter that is `true` or `false`.
    pub(crate) fn flag(&self, name: &'static str, violations: &mut Violations) -> Option<bool> {
        let flag = self.text(name, violations)?.parse().ok();
        if flag.is_none() {
            violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, name));
        }
        flag
    }

    /// The value of a parameter that is a whole number. FusionAuth's Python client writes 0 and 1 as `false` and `true`.
    pub(crate) fn number(&self, name: &'static str, violations: &mut Violations) -> Option<i64> {
        match self.text(name, violations)? {
            "false" => Some(0),
            "true" => Some(1),
            text => {
                let number = text.parse().ok();
                if number.is_none() {
                    violations.push(Violation::at(&codes::PARAMETER_COULD_NOT_CONVERT, name));
                }
                number
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_once() {
        let pairs = [("a", "1"), ("b", ""), ("c", "true"), ("d", "x"), ("e", "1"), ("e", "1"), ("f", "-7")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let parameters = Parameters::new(&pairs);
        let mut violations = Violations::none();
        assert_eq!(parameters.text("a", &mut violations), Some("1"));
        assert_eq!(parameters.text("b", &mut violations), None);
        assert_eq!(parameters.number("c", &mut violations), Some(1));
        assert_eq!(parameters.number("f", &mut violations), Some(-7));
        assert_eq!(parameters.flag("b", &mut violations), None);
        assert_eq!(parameters.flag("c", &mut violations), Some(true));
        assert!(violations.is_empty());
        assert_eq!(parameters.number("d", &mut violations), None);
        assert_eq!(parameters.text("e", &mut violations), None);
        let found: Vec<_> = violations.iter().map(Violation::code).collect();
        assert_eq!(found, ["[couldNotConvert]d", "[invalid]e"]);
    }
}
