//! Where a field stands, and how form-like names (`contact[emails][][value]`, `deal.id`) say it.

/// A field name and the names around it. Arrays have none.
pub(super) struct Path<'a> {
    pub(super) name: &'a str,
    pub(super) parent: Option<&'a Path<'a>>,
}

/// Deepest nesting in a form name that is looked at; what stands further left could only make a match more particular.
const MAX_NAME_PARTS: usize = 4;

/// The parts of a form name, innermost first: at least one, at most [`MAX_NAME_PARTS`].
pub(super) fn form_name_parts(name: &str) -> Vec<&str> {
    let separators = ['[', ']', '.'];
    let mut parts: Vec<&str> = name.trim().rsplit(separators).filter(|p| !p.is_empty()).take(MAX_NAME_PARTS).collect();
    if parts.is_empty() {
        parts.push("");
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_names_are_split_innermost_first() {
        assert_eq!(form_name_parts("contact[emails][][value]"), ["value", "emails", "contact"]);
        assert_eq!(form_name_parts("deal.id"), ["id", "deal"]);
        assert_eq!(form_name_parts("status"), ["status"]);
        assert_eq!(form_name_parts("[]"), [""]);
        assert_eq!(form_name_parts("a.b.c.d.e"), ["e", "d", "c", "b"]);
    }
}
