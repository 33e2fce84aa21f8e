//! `Link` (RFC 8288 section 3): the targets between angle brackets, in a list whose parameters may be quoted.

/// The header with the targets that `map` gives in place of its own; `None` if none changes. From what is not written as the
/// RFC has it on, everything stays.
pub fn rewrite(value: &str, mut map: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let mut new = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(target) = target(value, at) {
        if let Some(mapped) = map(&value[target.clone()]) {
            new.push_str(&value[copied..target.start]);
            new.push_str(&mapped);
            copied = target.end;
        }
        at = after_parameters(value, target.end + 1);
    }
    new.push_str(&value[copied..]);
    (copied > 0).then_some(new)
}

/// The next target, if the list goes on with one.
fn target(value: &str, at: usize) -> Option<std::ops::Range<usize>> {
    let rest = value.get(at..)?;
    let start = rest.find(|c: char| !matches!(c, ' ' | '\t' | ','))?;
    rest[start..].strip_prefix('<')?;
    let start = at + start + 1;
    Some(start..start + value[start..].find('>')?)
}

/// Behind the comma that ends the parameters.
fn after_parameters(value: &str, at: usize) -> usize {
    let (mut quoted, mut escaped) = (false, false);
    for (i, b) in value.bytes().enumerate().skip(at) {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return i + 1,
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(value: &str) -> Option<String> {
        rewrite(value, |target| target.strip_prefix("https://crm").map(|rest| format!("http://vigie{rest}")))
    }

    #[test]
    fn every_target_is_looked_at_and_parameters_are_not() {
        let cases = [
            ("<https://crm/p?page=2>; rel=\"next\"", Some("<http://vigie/p?page=2>; rel=\"next\"")),
            (
                "<https://crm/2>; rel=next, <https://other/1> ; rel=\"a, <https://crm/x>\\\"\",\t<https://crm/9>;rel=last",
                Some(
                    "<http://vigie/2>; rel=next, <https://other/1> ; rel=\"a, <https://crm/x>\\\"\",\t<http://vigie/9>;rel=last",
                ),
            ),
            (",, <https://crm/2>", Some(",, <http://vigie/2>")),
            ("<https://crm/a,b;c>; title=\"<\"", Some("<http://vigie/a,b;c>; title=\"<\"")),
            ("</p?page=2>; rel=next", None),
            ("https://crm/2; rel=next", None),
            ("<https://crm/2", None),
            ("", None),
            ("<https://crm/2>; title=\"open, <https://crm/3>", Some("<http://vigie/2>; title=\"open, <https://crm/3>")),
        ];
        for (value, expected) in cases {
            assert_eq!(rewritten(value).as_deref(), expected, "{value}");
        }
    }
}
