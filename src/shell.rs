//! Commands that a message suggests, in a form that can be pasted.

use std::borrow::Cow;
use std::path::Path;

/// The words of a command on one line, each quoted where this system's shell would read it otherwise: for a POSIX shell, on
/// Windows for PowerShell and, but for names that hold `$` or a backtick, for `cmd` too.
pub fn command<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| quote(word.as_ref()).into_owned()).collect();
    quoted.join(" ")
}

/// A path as a word of a command, in which it cannot be taken for an option.
pub fn path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.starts_with('-') { format!(".{}{text}", std::path::MAIN_SEPARATOR) } else { text }
}

fn quote(word: &str) -> Cow<'_, str> {
    if cfg!(windows) { quote_windows(word) } else { quote_posix(word) }
}

fn quote_posix(word: &str) -> Cow<'_, str> {
    // Only a NUL, which no argument can hold, has no quoted form.
    shlex::try_quote(word).unwrap_or(Cow::Borrowed(word))
}

/// Double quotes serve both shells; PowerShell looks into them for `$` and backticks, and not into single ones.
fn quote_windows(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || r"\/:._-+=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return Cow::Borrowed(word);
    }
    match word.contains(['$', '`', '"']) {
        true => Cow::Owned(format!("'{}'", word.replace('\'', "''"))),
        false => Cow::Owned(format!("\"{word}\"")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_shells_read_the_words_back() {
        assert_eq!(quote_windows(r"C:\runs\set-90"), r"C:\runs\set-90");
        assert_eq!(quote_windows(r"C:\my runs\it's"), "\"C:\\my runs\\it's\"");
        assert_eq!(quote_windows(r"C:\a $b"), r"'C:\a $b'");
        assert_eq!(quote_windows("it's $x"), "'it''s $x'");
        assert_eq!(quote_windows(""), "\"\"");
        assert_eq!(quote_windows("(a)&b"), "\"(a)&b\"");
    }

    /// The shell itself says what it makes of them.
    #[cfg(unix)]
    #[test]
    fn a_posix_shell_reads_the_words_back() {
        let words =
            ["it's é $x", "", "a\"b\\c", "`id`", "~/x", "a b", "!1", "*", "#x", "C:\\runs\\a b", "x\ny", "plain-1.5"];
        let line = command(["printf", "%s\\0"].into_iter().chain(words));
        let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), words.map(|word| format!("{word}\0")).concat());
    }

    #[test]
    fn a_path_is_never_an_option() {
        assert_eq!(path(Path::new("-x")), format!(".{}-x", std::path::MAIN_SEPARATOR));
        assert_eq!(path(Path::new("a/-x")), "a/-x");
    }
}
