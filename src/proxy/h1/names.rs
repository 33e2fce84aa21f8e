//! Names of header lines, remembered from one answer to the next.

use super::Broken;
use http::HeaderName;
use std::cell::RefCell;

/// Lines of a head that are remembered, and bytes of a name: CRMs send about twenty lines.
const LINES: usize = 32;
const BYTES: usize = 64;

/// The names of an answer's header lines by their places. An upstream's next answer has the same ones there as a rule, and
/// a name that is known costs neither a search among the standard ones nor an allocation.
#[derive(Default)]
pub struct Names(RefCell<Vec<HeaderName>>);

impl Names {
    /// The name that the line at `place` begins with.
    ///
    /// # Errors
    /// [`Broken::Malformed`] for what is no name.
    pub fn at(&self, place: usize, text: &[u8]) -> Result<HeaderName, Broken> {
        let mut known = self.0.borrow_mut();
        if let Some(name) = known.get(place)
            && name.as_str().as_bytes().eq_ignore_ascii_case(text)
        {
            return Ok(name.clone());
        }
        let name = HeaderName::from_bytes(text).map_err(|_| Broken::Malformed)?;
        if text.len() <= BYTES && place < LINES && place <= known.len() {
            known.truncate(place);
            known.push(name.clone());
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_its_line_says_whatever_was_there_before() {
        let names = Names::default();
        for lines in [["Content-Type", "x-a", "x-b"], ["content-type", "X-B", "x-a"], ["x-a", "x-ab", "date"]] {
            for (place, line) in lines.iter().enumerate() {
                assert_eq!(names.at(place, line.as_bytes()).expect("a name").as_str(), line.to_ascii_lowercase());
            }
        }
        assert_eq!(names.at(0, b"x a"), Err(Broken::Malformed));
        assert_eq!(names.at(0, b""), Err(Broken::Malformed));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let names = Names::default();
        for place in 0..100 {
            assert!(names.at(place, b"x-a").is_ok());
        }
        assert_eq!(names.0.borrow().len(), LINES);
        assert!(names.at(0, &[b'a'; BYTES + 1]).is_ok());
        assert_eq!(names.0.borrow()[0], "x-a");
    }
}
