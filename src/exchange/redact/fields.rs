//! Where a field stands, and how form-like names (`contact[emails][][value]`, `deal.id`) say it.

/// A field name and the names around it. Arrays have none.
pub(super) struct Path<'a> {
    pub(super) name: &'a str,
    pub(super) parent: Option<&'a Path<'a>>,
}

/// Most parts of a form name that are shown, and of a name in a policy: what stands further out decides nothing but whether
/// the value is inside a secret.
pub(super) const MAX_NAME_PARTS: usize = 4;

const SEPARATORS: [char; 3] = ['[', ']', '.'];

/// The parts of a form name, innermost first: at least one, at most [`MAX_NAME_PARTS`].
pub(super) fn form_name_parts(name: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = name.trim().rsplit(SEPARATORS).filter(|p| !p.is_empty()).take(MAX_NAME_PARTS).collect();
    if parts.is_empty() {
        parts.push("");
    }
    parts
}

/// True if `found` holds for any part of a form name and those around it, innermost first and at most [`MAX_NAME_PARTS`].
/// However deep the name is, it takes neither stack nor memory.
pub(super) fn any_form_part(name: &str, mut found: impl FnMut(&str, &[&str]) -> bool) -> bool {
    let mut around = Vec::with_capacity(MAX_NAME_PARTS + 1);
    name.trim().split(SEPARATORS).filter(|part| !part.is_empty()).any(|part| {
        let is_it = found(part, &around);
        around.insert(0, part);
        around.truncate(MAX_NAME_PARTS);
        is_it
    })
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
