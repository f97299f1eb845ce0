//! How a run ended, and how the child tells its parent.

use core::fmt;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The scenario says that all went well.
    Passed(Summary),
    /// Something went wrong.
    Failed(Failure),
}

/// Numbers of a run that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Two runs that made the same events share this number.
    pub trace_hash: u64,
    /// Points that were passed.
    pub points: u64,
    /// Virtual nanoseconds that went by.
    pub nanoseconds: u64,
    /// How often a fault point was asked.
    pub fault_points: u64,
}

/// What is known of a run that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong, in a line or two.
    pub message: String,
    /// The run's seed.
    pub seed: u64,
    /// What each CPU and each task was doing, and where kernel code panicked.
    pub report: String,
    /// The last events, one a line.
    pub trace_tail: String,
    /// The end of the kernel's log.
    pub log: String,
    /// The end of what was written to the console.
    pub console: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {}", self.seed, self.message)?;
        for (title, text) in [
            ("state", &self.report),
            ("last events", &self.trace_tail),
            ("kernel log", &self.log),
            ("console", &self.console),
        ] {
            if !text.is_empty() {
                writeln!(f, "--- {title}\n{}", text.trim_end())?;
            }
        }
        Ok(())
    }
}

const PASSED: u8 = b'P';
const FAILED: u8 = b'F';

impl Outcome {
    /// For the pipe: a length, and so many bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let body = self.encode_body();
        [&(body.len() as u64).to_le_bytes(), &*body].concat()
    }

    /// The last whole outcome that came through the pipe. `None`: there is none.
    pub(crate) fn decode_last(mut bytes: &[u8]) -> Option<Self> {
        let mut last = None;
        while let Some(length) = number(&mut bytes) {
            let Some((body, rest)) = bytes.split_at_checked(length as usize) else { break };
            last = Self::decode(body);
            bytes = rest;
        }
        last
    }

    fn encode_body(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::Passed(s) => {
                bytes.push(PASSED);
                for number in [s.trace_hash, s.points, s.nanoseconds, s.fault_points] {
                    bytes.extend(number.to_le_bytes());
                }
            }
            Self::Failed(failure) => {
                bytes.push(FAILED);
                bytes.extend(failure.seed.to_le_bytes());
                let Failure { message, report, trace_tail, log, console, .. } = failure;
                for text in [message, report, trace_tail, log, console] {
                    bytes.extend((text.len() as u64).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        match kind {
            PASSED => Some(Self::Passed(Summary {
                trace_hash: number(rest)?,
                points: number(rest)?,
                nanoseconds: number(rest)?,
                fault_points: number(rest)?,
            })),
            FAILED => Some(Self::Failed(Failure {
                seed: number(rest)?,
                message: text(rest)?,
                report: text(rest)?,
                trace_tail: text(rest)?,
                log: text(rest)?,
                console: text(rest)?,
            })),
            _ => None,
        }
    }
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u64::from_le_bytes(*bytes))
}

fn text(rest: &mut &[u8]) -> Option<String> {
    let length = usize::try_from(number(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        let passed = Outcome::Passed(Summary { points: 7, fault_points: 9, ..Summary::default() });
        let failed = Outcome::Failed(Failure {
            message: "no".into(),
            seed: 3,
            log: "two\nlines".into(),
            ..Failure::default()
        });
        for outcome in [&passed, &failed] {
            let bytes = outcome.encode();
            assert_eq!(Outcome::decode_last(&bytes).as_ref(), Some(outcome));
            assert_eq!(Outcome::decode_last(&bytes[..bytes.len() - 1]), None);
        }
        let mut both = [passed.encode(), failed.encode()].concat();
        assert_eq!(Outcome::decode_last(&both), Some(failed));
        both.pop();
        assert_eq!(Outcome::decode_last(&both), Some(passed));
    }
}
