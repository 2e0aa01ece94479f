//! Lists of indices of an indexed Job, as `1,3-5`.

/// The first and the last index of an interval, which are below the number of completions.
fn interval(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let number = |text: &str| -> Result<i64, String> {
        match text.parse::<i64>() {
            Ok(number) if number >= completions => Err(format!("too large index: {text:?}")),
            Ok(number) => Ok(number),
            Err(_) => Err(format!(
                "cannot convert string to integer for index: {text:?}"
            )),
        }
    };
    let Some((first, last)) = text.split_once('-') else {
        let only = number(text)?;
        return Ok((only, only));
    };
    if last.contains('-') {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let (first, last) = (number(first)?, number(last)?);
    if first >= last {
        return Err(format!(
            "non-increasing order, previous: {first}, current: {last}"
        ));
    }
    Ok((first, last))
}

/// How many indices a list has; they rise.
///
/// # Errors
/// The real server's words.
pub(super) fn count(text: &str, completions: i64) -> Result<i64, String> {
    let mut before: Option<i64> = None;
    let mut count = 0;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = interval(part, completions)?;
        if let Some(before) = before.filter(|before| *before >= first) {
            return Err(format!(
                "non-increasing order, previous: {before}, current: {first}"
            ));
        }
        count += last - first + 1;
        before = Some(last);
    }
    Ok(count)
}

/// The first index that two rising lists have in common. Intervals that cannot be read are another rule's concern.
pub(super) fn overlap(one: &str, other: &str, completions: i64) -> Option<i64> {
    let read = |text: &str| -> Vec<(i64, i64)> {
        let parts = text.split(',');
        parts
            .filter_map(|part| interval(part, completions).ok())
            .collect()
    };
    let (one, other) = (read(one), read(other));
    let mut rest = other.iter().peekable();
    for (first, last) in one {
        while let Some((begins, ends)) = rest.peek() {
            if first <= *ends && *begins <= last {
                return Some(first.max(*begins));
            }
            if first <= *begins {
                break;
            }
            rest.next();
        }
    }
    None
}
