//! Finds what somebody meant who mistyped a name.

/// The known name that is most like `name`, or all known names where none is like it.
pub(super) fn suggestion<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let nearest = known.clone().map(|other| (distance(name, other), other)).min();
    match nearest {
        Some((distance, nearest)) if distance <= 2.max(name.chars().count() / 3) => {
            format!("did you mean `{nearest}`?")
        }
        _ => format!("known are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// How many letters to add, drop or change to get from one word to the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.chars().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{distance, suggestion};

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn suggestion_names_the_nearest_or_lists_all() {
        let known = ["sign_in.title", "sign_out.title"];
        assert!(suggestion("sign_in.titel", known.into_iter()).contains("`sign_in.title`"));
        assert!(suggestion("xyz", known.into_iter()).contains("sign_in.title, sign_out.title"));
    }
}
