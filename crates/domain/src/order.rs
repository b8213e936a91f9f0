//! Sort orders of searches: what `orderBy` says, for whatever kind of object is sorted.

/// A column by which the objects of one kind can be sorted.
pub trait SortColumn: Copy + Eq + 'static {
    /// Every column.
    const ALL: &[Self];
    /// The column when a search names none or its order cannot be read.
    const DEFAULT: Self;
    /// Whether that column is then sorted from the largest to the smallest.
    const DEFAULT_DESCENDING: bool = false;

    /// The name in `orderBy`. Case counts.
    #[must_use]
    fn as_str(self) -> &'static str;
}

/// One criterion of a sort order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Order<C> {
    /// What is compared.
    pub column: C,
    /// From the largest to the smallest.
    pub descending: bool,
}

impl<C: SortColumn> Order<C> {
    /// The order when a search names none, or one that cannot be read.
    pub const DEFAULT: Self = Self { column: C::DEFAULT, descending: C::DEFAULT_DESCENDING };
}

/// An `orderBy` names a column by which the objects cannot be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown column")]
pub struct UnknownColumn;

/// Reads `orderBy`: fields with an optional `ASC` or `DESC` in any case, separated by commas; a field may stand in
/// backquotes. As in FusionAuth, what does not have this form is dropped, and the order is [`Order::DEFAULT`]. Of a
/// column that is named twice the first mention counts, so that the list has at most as many entries as there are columns.
///
/// # Errors
/// [`UnknownColumn`] when the form is right but a field is none of [`SortColumn::ALL`].
pub fn parse_order_by<C: SortColumn>(text: &str) -> Result<Vec<Order<C>>, UnknownColumn> {
    let Some(items) = text.split(',').map(order_item).collect::<Option<Vec<_>>>() else {
        return Ok(vec![Order::DEFAULT]);
    };
    let mut order: Vec<Order<C>> = Vec::new();
    for (field, descending) in items {
        let column = C::ALL.iter().copied().find(|column| column.as_str() == field);
        let column = column.ok_or(UnknownColumn)?;
        if !order.iter().any(|earlier| earlier.column == column) {
            order.push(Order { column, descending });
        }
    }
    Ok(order)
}

/// A field, and whether `DESC` follows it; `None` when the text has another form.
fn order_item(text: &str) -> Option<(&str, bool)> {
    let mut words = text.split_ascii_whitespace();
    let (field, direction) = (words.next()?, words.next());
    if words.next().is_some() {
        return None;
    }
    let descending = match direction {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("ASC") => false,
        Some(word) if word.eq_ignore_ascii_case("DESC") => true,
        Some(_) => return None,
    };
    let bare = match field.strip_prefix('`') {
        Some(rest) => rest.strip_suffix('`')?,
        None => field,
    };
    let is_field = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_field.then_some((bare, descending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ApiKeyColumn, ChangeColumn, IpAccessControlListColumn, KeyColumn, KeyOrder};

    const fn by(column: KeyColumn, descending: bool) -> KeyOrder {
        KeyOrder { column, descending }
    }

    #[test]
    fn orders_are_read() {
        use KeyColumn::{Algorithm, Expiration, Id, Insert, Name, Type};
        assert_eq!(parse_order_by("name"), Ok(vec![by(Name, false)]));
        assert_eq!(parse_order_by("  `insertInstant`\t dEsC "), Ok(vec![by(Insert, true)]));
        assert_eq!(
            parse_order_by("type,algorithm DESC , expiration asc,id"),
            Ok(vec![by(Type, false), by(Algorithm, true), by(Expiration, false), by(Id, false)])
        );
        assert_eq!(parse_order_by("id DESC,name,id ASC"), Ok(vec![by(Id, true), by(Name, false)]));
        for &column in KeyColumn::ALL {
            assert_eq!(parse_order_by(column.as_str()), Ok(vec![by(column, false)]));
        }
    }

    #[test]
    fn what_has_another_form_is_dropped() {
        for text in [
            "",
            " ",
            ",",
            "name,",
            ",name",
            "name,,id",
            "name up",
            "name ASC DESC",
            "name; DROP",
            "`name",
            "name`",
            "``",
            "`na me`",
            "na-me",
            "name IS NULL",
            "ä",
            "bogus,",
            "name\u{a0}ASC",
            "name.id",
        ] {
            assert_eq!(parse_order_by(text), Ok(vec![KeyOrder::DEFAULT]), "{text:?}");
        }
    }

    #[test]
    fn unknown_columns_are_refused() {
        for text in ["Name", "bogus", "insert_instant", "name,kid DESC", "ASC", "`ID`", "lastUpdateInstant"] {
            assert_eq!(parse_order_by::<KeyColumn>(text), Err(UnknownColumn), "{text:?}");
        }
    }

    #[test]
    fn each_kind_has_its_own_columns() {
        use IpAccessControlListColumn::{Id, Insert, LastUpdate, Name};
        assert_eq!(
            parse_order_by("lastUpdateInstant DESC,insertInstant,name,id"),
            Ok(vec![
                Order { column: LastUpdate, descending: true },
                Order { column: Insert, descending: false },
                Order { column: Name, descending: false },
                Order { column: Id, descending: false },
            ])
        );
        for text in ["type", "algorithm", "Name", "entries"] {
            assert_eq!(parse_order_by::<IpAccessControlListColumn>(text), Err(UnknownColumn), "{text:?}");
        }
        assert_eq!(parse_order_by::<IpAccessControlListColumn>("?"), Ok(vec![Order::DEFAULT]));
        assert_eq!(Order::<IpAccessControlListColumn>::DEFAULT, Order { column: Name, descending: false });
        assert_eq!(Order::DEFAULT, Order { column: ApiKeyColumn::Insert, descending: true });
        for text in ["expiration", "type", "keyManager", "insert_instant"] {
            assert_eq!(parse_order_by::<ApiKeyColumn>(text), Err(UnknownColumn), "{text:?}");
        }
        let latest = Order { column: ChangeColumn::Insert, descending: true };
        assert_eq!(parse_order_by::<ChangeColumn>(";"), Ok(vec![latest]));
        assert_eq!(
            parse_order_by("insertInstant"),
            Ok(vec![Order { column: ChangeColumn::Insert, descending: false }])
        );
    }
}
