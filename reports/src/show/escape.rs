//! Text from outside, such as a run's name or its error, as each kind of output can hold it. A function for each, and
//! nothing reaches an output otherwise.

/// One line of a terminal: every character is escaped that would steer it, break the line or turn its direction: `\n`, `\u{1b}`.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether a character does something other than stand in its place.
fn steers(letter: char) -> bool {
    // Line and paragraph separators, marks and overrides of direction, the byte order mark.
    let invisible = matches!(
        letter,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    );
    letter.is_control() || invisible
}

/// Fewer characters than this are a message; more of them hide what matters.
const MOST: usize = 500;

/// A message: one line of fewer than 500 characters. Of a longer one the beginning and the end stay, which say what is wrong and
/// what to do.
pub fn message(text: &str) -> String {
    let text = printable(text.trim_end());
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < MOST {
        return text;
    }
    const HEAD: usize = 300;
    const TAIL: usize = 150;
    let [head, tail] = [&letters[..HEAD], &letters[letters.len() - TAIL..]].map(String::from_iter);
    format!("{head} [... {} characters ...] {tail}", letters.len() - HEAD - TAIL)
}

/// A line or a cell of Markdown, in which no name begins a tag or ends the cell.
pub fn markdown(text: &str) -> String {
    printable(text).replace('|', "\\|").replace('<', "&lt;")
}

/// Text of HTML, and of SVG, which cannot hold control characters at all.
pub fn xml(text: &str) -> String {
    let text = printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}

/// A cell of a CSV file, which no spreadsheet takes for a formula. Its writer still has to quote it.
pub fn cell(text: &str) -> String {
    let text = printable(text);
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "\u{1b}[2J a\n<b>|'x'\u{202e}";

    #[test]
    fn each_output_has_its_own_escapes() {
        assert_eq!(printable(HOSTILE), r"\u{1b}[2J a\n<b>|'x'\u{202e}");
        assert_eq!(markdown(HOSTILE), r"\u{1b}[2J a\n&lt;b>\|'x'\u{202e}");
        assert_eq!(xml(HOSTILE), r"\u{1b}[2J a\n&lt;b&gt;|&#39;x&#39;\u{202e}");
        assert_eq!(cell(HOSTILE), printable(HOSTILE));
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)"] {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        assert_eq!(cell("\t=1+1"), r"\t=1+1");
        assert_eq!(printable("σ ± – 犬 'q'"), "σ ± – 犬 'q'");
    }

    #[test]
    fn a_message_is_cut_and_says_so() {
        assert_eq!(message("a\nb \n"), r"a\nb");
        let cut = message(&format!("begins{}ends", "x".repeat(60_000)));
        assert!(cut.chars().count() < MOST && cut.contains("[... 59560 characters ...]"), "{cut}");
        assert!(cut.starts_with("begins") && cut.ends_with("ends"), "{cut}");
    }
}
