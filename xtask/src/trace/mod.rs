//! `cargo xtask trace`: what the kernel's threads did, as a timeline and as a picture.
//!
//! ```text
//!   guest (guest)  ──text──>  text ──> event ──> build ──> model ──┬─> chrome   .json, for Perfetto and chrome://tracing
//!   simulated machine  ──text──^                                   ├─> page     .html, our own
//!                                                      choice ─────┴─> picture  .svg, lives of some threads
//! ```

mod build;
mod choice;
mod chrome;
mod event;
pub(crate) mod guest;
mod model;
mod page;
mod picture;
pub(crate) mod schema;
mod text;

use crate::{project, run};
use anyhow::{Context, Result, bail};
pub(crate) use choice::Choice;
use model::Timeline;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Boot Heddle, run a command, and show what the kernel's threads did from the boot's first moment on.
///
/// Takes what `run` takes. The exit status is the command's.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write this: by its end .json (for Perfetto), .html (a page of our own), .svg (a picture) or .txt (the events as text); may be
    /// repeated [default: all four in target/xtask/trace]
    #[arg(long, value_name = "FILE")]
    out: Vec<PathBuf>,

    /// Which events, with commas: systems, events, or SYSTEM:EVENT
    #[arg(long, value_name = "LIST", default_value = guest::EVENTS)]
    events: String,

    /// Size of each CPU's ring of events
    #[arg(long, value_name = "SIZE", default_value = "4M")]
    buffer: String,

    #[command(flatten)]
    choice: Choice,

    #[command(flatten)]
    run: run::Arguments,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let files = match arguments.out.is_empty() {
        true => Kind::ALL.map(|kind| project::cache("trace").map(|place| place.join(kind.name()))),
        false => return save_some(arguments, &arguments.out),
    };
    save_some(arguments, &files.into_iter().collect::<Result<Vec<_>>>()?)
}

fn save_some(arguments: &Arguments, files: &[PathBuf]) -> Result<ExitCode> {
    check(files)?;
    let events = guest::Events { names: &arguments.events, buffer: &arguments.buffer };
    let (status, text) = guest::trace(&arguments.run, events)?;
    let title = arguments.run.words();
    save(&text, &title, &arguments.choice, files)?;
    Ok(status)
}

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Chrome,
    Page,
    Picture,
    Text,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Chrome, Self::Page, Self::Picture, Self::Text];

    fn name(self) -> &'static str {
        match self {
            Self::Chrome => "timeline.json",
            Self::Page => "timeline.html",
            Self::Picture => "lives.svg",
            Self::Text => "trace.txt",
        }
    }

    fn of(file: &Path) -> Result<Self> {
        match file.extension().and_then(|end| end.to_str()) {
            Some("json") => Ok(Self::Chrome),
            Some("html") => Ok(Self::Page),
            Some("svg") => Ok(Self::Picture),
            Some("txt") => Ok(Self::Text),
            _ => bail!("{}: .json, .html, .svg or .txt, what shall it be?", file.display()),
        }
    }
}

/// Says what is wrong with files' names, before anything slow is begun.
///
/// # Errors
/// One has an end that means nothing.
pub(crate) fn check(files: &[PathBuf]) -> Result<()> {
    files.iter().try_for_each(|file| Kind::of(file).map(drop))
}

/// Makes a timeline of a trace's text and writes these files.
///
/// # Errors
/// The text is none, no thread is as wanted, or a file cannot be written.
pub(crate) fn save(text: &str, title: &str, choice: &Choice, files: &[PathBuf]) -> Result<()> {
    let timeline = choice.cut(timeline(text)?)?;
    for file in files {
        let contents = match Kind::of(file)? {
            Kind::Chrome => chrome::json(&timeline, title),
            Kind::Page => page::html(&timeline, title),
            Kind::Text => text.to_owned(),
            Kind::Picture => {
                let lanes = choice.lanes(&timeline);
                match lanes {
                    Ok(lanes) => picture::svg(&timeline, &lanes, title),
                    // Without a wish there may be nothing to show.
                    Err(why) if choice.names.is_empty() => {
                        tell!("no picture: {why}");
                        continue;
                    }
                    Err(why) => return Err(why),
                }
            }
        };
        std::fs::write(file, contents).with_context(|| file.display().to_string())?;
        tell!("{}", project::readable(file));
    }
    Ok(())
}

fn timeline(text: &str) -> Result<Timeline> {
    let read = text::read(text);
    if let Some(line) = read.unread.first() {
        bail!("{} lines are not of a trace: {line}", read.unread.len());
    }
    if read.records.is_empty() {
        bail!("nothing was recorded");
    }
    let timeline = build::build(&read);
    if timeline.lost != 0 {
        tell!(
            "{} events were lost: a larger --buffer, or fewer --events, would keep them",
            timeline.lost
        );
    }
    if timeline.odd != 0 {
        tell!("{} events contradict others: something is missing between them", timeline.odd);
    }
    Ok(timeline)
}

/// The timeline as Chrome's format has it, for tests.
///
/// # Errors
/// The text is none of a trace.
pub(crate) fn chrome_json(text: &str) -> Result<serde_json::Value> {
    Ok(serde_json::from_str(&chrome::json(&timeline(text)?, "test"))?)
}
