//! The one calculation with calendar dates that certificates need: ten years later (proleptic Gregorian, UTC).

/// Seconds of a day; the epoch knows no leap seconds.
const DAY: i64 = 86_400;

/// The days of 400 years, after which the calendar repeats.
const ERA: i64 = 146_097;

/// How long a generated certificate is valid.
const YEARS: i64 = 10;

/// The same calendar date and time ten years later, in seconds since the epoch; 29 February becomes the 28th where
/// there is none. `None` unless both ends lie in the years 1970 to 9999, which is as far as X.509 goes (RFC 5280,
/// section 4.1.2.5).
pub(crate) fn ten_years_later(seconds: i64) -> Option<i64> {
    if seconds < 0 {
        return None;
    }
    let (year, month, day) = date(seconds.checked_div(DAY)?)?;
    let year = year.checked_add(YEARS)?;
    if year > 9999 {
        return None;
    }
    let day = if month == 2 && day == 29 && !is_leap(year) { 28 } else { day };
    Some(days(year, month, day) * DAY + seconds % DAY)
}

const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days since 1970-01-01 of a date; `month` is 1 to 12, `year` at least 0. Counts years from March, so that the leap
/// day is the last of its year.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    // 153 days are the five months March to July, and August to December, and so on.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - EPOCH
}

/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// The date of the day `day` days after 1970-01-01. `None` for days so far off that the arithmetic overflows.
fn date(day: i64) -> Option<(i64, i64, i64)> {
    let day = day.checked_add(EPOCH)?;
    let (era, day_of_era) = (day.div_euclid(ERA), day.rem_euclid(ERA));
    // Takes out the leap days before this one, so that every year has 365 days.
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era.checked_mul(400)?.checked_add(year_of_era)?;
    Some(if month < 10 { (year, month + 3, day_of_month) } else { (year + 1, month - 9, day_of_month) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks through the calendar day by day, as a second way to count.
    #[test]
    fn dates_follow_each_other() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..2_932_897 {
            assert_eq!(date(number), Some((year, month, day)));
            assert_eq!(days(year, month, day), number);
            let length = match month {
                2 if is_leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(ten_years_later(0), Some(315_532_800)); // 1980-01-01
        assert_eq!(ten_years_later(-1), None);
        assert_eq!(ten_years_later(i64::MAX), None);
        let end_of_9989 = days(9990, 1, 1) * DAY - 1;
        assert_eq!(ten_years_later(end_of_9989), Some(253_402_300_799));
        assert_eq!(ten_years_later(end_of_9989 + 1), None);
    }
}
