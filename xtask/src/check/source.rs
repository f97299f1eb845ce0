//! Rust source as far as the audit has to understand it: what is code, what is comment.

/// A line of a source file, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// The code, with the contents of string and character literals left out.
    pub code: String,
    /// The comments.
    pub comment: String,
}

impl Line {
    /// Whether the line has nothing but comment.
    pub(super) fn is_comment(&self) -> bool {
        self.code.trim().is_empty() && !self.comment.is_empty()
    }

    /// Whether the line begins an attribute.
    pub(super) fn is_attribute(&self) -> bool {
        self.code.trim_start().starts_with('#')
    }
}

/// What the reader is in the middle of.
enum State {
    Code,
    LineComment,
    /// With its depth: these nest.
    BlockComment(u32),
    /// A string that ends with a quote and so many hashes; `None`: with escapes.
    Text(Option<usize>),
}

/// Takes a file apart.
pub(super) fn lines(source: &str) -> Vec<Line> {
    let mut reader = Reader { rest: source, lines: vec![Line::default()], state: State::Code };
    while reader.step() {}
    reader.lines
}

struct Reader<'a> {
    rest: &'a str,
    lines: Vec<Line>,
    state: State,
}

impl Reader<'_> {
    /// Goes on by one token; false at the end.
    fn step(&mut self) -> bool {
        let Some(next) = self.rest.chars().next() else {
            return false;
        };
        if next == '\n' {
            if matches!(self.state, State::LineComment) {
                self.state = State::Code;
            }
            self.lines.push(Line::default());
            self.skip(1);
            return true;
        }
        match self.state {
            State::Code => self.step_in_code(next),
            State::LineComment => self.comment(next.len_utf8()),
            State::BlockComment(depth) => self.step_in_block_comment(depth, next),
            State::Text(hashes) => self.step_in_text(hashes, next),
        }
        true
    }

    fn step_in_code(&mut self, next: char) {
        if self.rest.starts_with("//") {
            self.state = State::LineComment;
            self.comment(2);
        } else if self.rest.starts_with("/*") {
            self.state = State::BlockComment(1);
            self.comment(2);
        } else if let Some((length, hashes)) = self.text_start() {
            self.state = State::Text(hashes);
            self.skip(length);
        } else if let Some(length) = self.character_length() {
            self.skip(length);
        } else {
            self.code(next.len_utf8());
        }
    }

    fn step_in_block_comment(&mut self, depth: u32, next: char) {
        if self.rest.starts_with("/*") {
            self.state = State::BlockComment(depth + 1);
            self.comment(2);
        } else if self.rest.starts_with("*/") {
            self.state = if depth == 1 { State::Code } else { State::BlockComment(depth - 1) };
            self.comment(2);
        } else {
            self.comment(next.len_utf8());
        }
    }

    fn step_in_text(&mut self, hashes: Option<usize>, next: char) {
        if hashes.is_none() && next == '\\' {
            self.skip(1);
            // The character after it, unless that ends the line, which counts.
            if let Some(escaped) = self.rest.chars().next().filter(|&escaped| escaped != '\n') {
                self.skip(escaped.len_utf8());
            }
            return;
        }
        let end = format!("\"{}", "#".repeat(hashes.unwrap_or(0)));
        if self.rest.starts_with(&end) {
            self.state = State::Code;
            self.skip(end.len());
        } else {
            self.skip(next.len_utf8());
        }
    }

    /// How long the start of a string literal is, and with how many hashes a raw one ends.
    fn text_start(&self) -> Option<(usize, Option<usize>)> {
        if self.rest.starts_with('"') {
            return Some((1, None));
        }
        if self.is_in_word() {
            return None;
        }
        let prefix = ["br", "cr", "r", "b", "c"].iter().find(|prefix| {
            let after = self.rest.strip_prefix(**prefix);
            after.is_some_and(|after| after.starts_with(['"', '#']))
        })?;
        let after = &self.rest[prefix.len()..];
        let hashes = after.bytes().take_while(|&byte| byte == b'#').count();
        if !after[hashes..].starts_with('"') {
            return None;
        }
        let is_raw = prefix.ends_with('r');
        (is_raw || hashes == 0).then_some((prefix.len() + hashes + 1, is_raw.then_some(hashes)))
    }

    /// The length of a character literal; a lifetime is none.
    fn character_length(&self) -> Option<usize> {
        let inside = self.rest.strip_prefix('\'')?;
        let first = inside.chars().next()?;
        if first == '\\' {
            let end = inside[2..].find('\'')?;
            return Some(1 + 2 + end + 1);
        }
        inside[first.len_utf8()..].starts_with('\'').then_some(1 + first.len_utf8() + 1)
    }

    fn is_in_word(&self) -> bool {
        let code = &self.lines[self.lines.len() - 1].code;
        code.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_')
    }

    fn code(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.lines.last_mut().expect("there is always a line").code.push_str(text);
        self.rest = rest;
    }

    fn comment(&mut self, length: usize) {
        let (text, rest) = self.rest.split_at(length);
        self.lines.last_mut().expect("there is always a line").comment.push_str(text);
        self.rest = rest;
    }

    fn skip(&mut self, length: usize) {
        self.rest = &self.rest[length..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> Vec<String> {
        lines(source).into_iter().map(|line| line.code).collect()
    }

    #[test]
    fn comments_are_told_from_code() {
        let lines = lines("a // unsafe\n/* b /* c */\nd */ e");
        assert_eq!(lines[0], Line { code: "a ".into(), comment: "// unsafe".into() });
        assert_eq!(lines[1], Line { code: String::new(), comment: "/* b /* c */".into() });
        assert_eq!(lines[2], Line { code: " e".into(), comment: "d */".into() });
    }

    #[test]
    fn literals_are_left_out() {
        assert_eq!(code(r#"f("un\"safe") g"#), ["f() g"]);
        assert_eq!(code("r#\"a\"b\"# c"), [" c"]);
        assert_eq!(code("br\"\\\" x"), [" x"]);
        assert_eq!(code(r"'{' '\'' '\u{7b}' x"), ["   x"]);
        assert_eq!(code("fn f<'a>(x: &'a str)"), ["fn f<'a>(x: &'a str)"]);
        assert_eq!(code("\"two\nlines\" x"), ["", " x"]);
        assert_eq!(code("bar\"text\""), ["bar"]);
    }
}
