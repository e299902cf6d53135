//! Durations and sizes as people write them: `10s`, `1h30m`, `16MiB`.

use std::time::Duration;

use super::error::{Wrong, quoted};

const DURATION_UNITS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

const SIZE_UNITS: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `500ms`, `10s`, `2m`, `1h30m`, `1d` or a plain `0`.
pub(super) fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = |why: String| {
        Wrong::new(format!("{} is not a duration: {why}", quoted(text)))
            .help("write a number with ms, s, m, h, d or w, such as \"10s\" or \"1h30m\"")
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = u64::MAX;
    while !rest.is_empty() || text.is_empty() {
        let (number, unit, tail) = part(rest).map_err(wrong)?;
        let Some(&(_, scale)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(wrong(format!("{} is not a unit of time", quoted(unit))));
        };
        if scale >= last {
            return Err(wrong("its parts are not in falling order".into()));
        }
        last = scale;
        total = number
            .checked_mul(scale)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| wrong("it is too long".into()))?;
        rest = tail;
    }
    Ok(Duration::from_millis(total))
}

/// Reads `16MiB`, `64KiB`, `1GB` or a plain `0`.
pub(super) fn size(text: &str) -> Result<u64, Wrong> {
    let wrong = |why: String| {
        Wrong::new(format!("{} is not a size: {why}", quoted(text)))
            .help("write a number with B, KiB, MiB or GiB, such as \"16MiB\", or \"0\" for none")
    };
    if text == "0" {
        return Ok(0);
    }
    let (number, unit, rest) = part(text).map_err(wrong)?;
    if !rest.is_empty() {
        return Err(wrong("it has more than one part".into()));
    }
    let unit = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(|| {
        let unit = quoted(unit);
        wrong(format!("{unit} is not a unit of size"))
    })?;
    number.checked_mul(unit.1).ok_or_else(|| wrong("it is too large".into()))
}

/// Splits `1h30m` into 1, `h` and `30m`.
fn part(text: &str) -> Result<(u64, &str, &str), String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits).unwrap_or((text, ""));
    if number.is_empty() {
        return Err(match text.chars().next() {
            None => "it is empty".into(),
            Some('-') => "it is negative".into(),
            Some(_) => "it does not start with a number".into(),
        });
    }
    let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
    let (unit, tail) = rest.split_at_checked(letters).unwrap_or((rest, ""));
    match unit.chars().next() {
        None => return Err("it has no unit".into()),
        Some('.' | ',') => return Err("it has a fraction".into()),
        Some(c) if c.is_whitespace() => return Err("there is a space before the unit".into()),
        Some(_) => {}
    }
    let number = number.parse().map_err(|_| "its number is too large".to_owned())?;
    Ok((number, unit, tail))
}

/// The duration as [`duration`] would read it.
pub(super) fn show_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut shown = String::new();
    for &(unit, scale) in DURATION_UNITS.iter().rev().filter(|(unit, _)| *unit != "w") {
        if rest >= scale {
            shown.push_str(&format!("{}{unit}", rest / scale));
            rest %= scale;
        }
    }
    if shown.is_empty() { "0".into() } else { shown }
}

/// The size as [`size`] would read it.
pub(super) fn show_size(bytes: u64) -> String {
    let binary = SIZE_UNITS.iter().rev().filter(|(unit, _)| unit.ends_with("iB"));
    for &(unit, scale) in binary {
        if bytes >= scale && bytes.is_multiple_of(scale) {
            return format!("{}{unit}", bytes / scale);
        }
    }
    if bytes == 0 { "0".into() } else { format!("{bytes}B") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, milliseconds) in [
            ("0", 0),
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("1h30m", 5_400_000),
            ("1m500ms", 60_500),
            ("1d", 86_400_000),
            ("2w", 1_209_600_000),
            ("007s", 7_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn no_durations() {
        for (text, why) in [
            ("", "it is empty"),
            ("10", "it has no unit"),
            ("s", "it does not start with a number"),
            ("-1s", "it is negative"),
            ("1.5s", "it has a fraction"),
            ("10 s", "there is a space before the unit"),
            ("10S", "\"S\" is not a unit of time"),
            ("10sec", "\"sec\" is not a unit of time"),
            ("1m1h", "not in falling order"),
            ("1s1s", "not in falling order"),
            ("99999999999999999999s", "number is too large"),
            ("9999999999999999999w", "it is too long"),
            ("1h ", "is not a unit of time"),
            ("１s", "it does not start with a number"),
        ] {
            let wrong = duration(text).expect_err(text);
            assert!(wrong.message.contains(why), "{text}: {}", wrong.message);
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("1B", 1),
            ("64KiB", 64 << 10),
            ("16MiB", 16 << 20),
            ("16mib", 16 << 20),
            ("1GiB", 1 << 30),
            ("1MB", 1_000_000),
            ("3kB", 3_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for (text, why) in [
            ("", "it is empty"),
            ("16", "it has no unit"),
            ("16M", "\"M\" is not a unit of size"),
            ("1GiB1MiB", "more than one part"),
            ("1.5GiB", "it has a fraction"),
            ("99999999999GiB", "it is too large"),
        ] {
            let wrong = size(text).expect_err(text);
            assert!(wrong.message.contains(why), "{text}: {}", wrong.message);
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for milliseconds in [0, 1, 500, 1_000, 61_500, 3_600_000, 86_400_000, 694_861_001] {
            let value = Duration::from_millis(milliseconds);
            assert_eq!(duration(&show_duration(value)), Ok(value));
        }
        for bytes in [0, 1, 1000, 1 << 10, 64 << 10, 16 << 20, 64 << 30] {
            assert_eq!(size(&show_size(bytes)), Ok(bytes));
        }
        assert_eq!(show_duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(show_size(64 << 30), "64GiB");
    }
}
