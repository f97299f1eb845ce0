//! The timeline as a page of our own: one file that opens in any browser and asks the network for nothing.
//!
//! `page.html` has the program that draws; the data is put into it here, as short arrays.

use super::event::State;
use super::model::{Slice, Thread, Timeline};
use serde_json::{Value, json};

/// The page, with a mark where the data goes.
const PAGE: &str = include_str!("page.html");
const DATA: &str = "\"DATA\"";

/// The file's contents.
pub(crate) fn html(timeline: &Timeline, title: &str) -> String {
    // What is inside of a script must not end it.
    PAGE.replacen(DATA, &data(timeline, title).to_string().replace('<', "\\u003c"), 1)
}

fn data(timeline: &Timeline, title: &str) -> Value {
    let since = |time: u64| time.saturating_sub(timeline.from);
    let slices = |slices: &[Slice]| -> Vec<Value> {
        let one = |slice: &Slice| {
            let (from, to) = (since(slice.from), since(slice.to));
            json!([from, to, slice.depth, slice.kind.words(), slice.name, slice.arguments])
        };
        slices.iter().map(one).collect()
    };
    let cpus = timeline.cpus.iter().map(|cpu| {
        let runs = cpu.runs.iter().map(|run| json!([since(run.from), since(run.to), run.thread]));
        json!({ "runs": runs.collect::<Vec<_>>(), "slices": slices(&cpu.slices) })
    });
    let threads = timeline.threads.iter().map(|thread| {
        let spans = thread.spans.iter().map(|span| {
            let cpu = match span.state {
                State::Running(cpu) => Some(cpu),
                _ => None,
            };
            json!([since(span.from), since(span.to), span.state.words(), cpu])
        });
        let marks = thread.marks.iter();
        let marks = marks.map(|mark| json!([since(mark.time), mark.name, mark.arguments]));
        let Thread { pid, name, parent, is_kernel, born, ended, .. } = thread;
        json!({
            "pid": pid,
            "name": name,
            "parent": parent,
            "kernel": is_kernel,
            "born": born.map(since),
            "ended": ended.map(since),
            "spans": spans.collect::<Vec<_>>(),
            "slices": slices(&thread.slices),
            "marks": marks.collect::<Vec<_>>(),
        })
    });
    let arrows = timeline.arrows.iter().map(|arrow| {
        json!([
            since(arrow.from),
            arrow.cpu,
            arrow.waker,
            since(arrow.to),
            arrow.woken,
            arrow.cause
        ])
    });
    json!({
        "title": title,
        "from": timeline.from,
        "length": since(timeline.to),
        "lost": timeline.lost,
        "odd": timeline.odd,
        "cpus": cpus.collect::<Vec<_>>(),
        "threads": threads.collect::<Vec<_>>(),
        "arrows": arrows.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::build::{build, tests::a_life};
    use crate::trace::text;

    #[test]
    fn r04_the_page_is_whole_and_asks_nobody() {
        let mut timeline = build(&text::read(&a_life()));
        timeline.threads[0].name = "</script>".to_owned();
        let page = html(&timeline, "a life");
        assert!(!page.contains(DATA) && page.matches("</script>").count() == 1);
        assert!(page.contains("\"name\":\"life\"") && page.contains("\\u003c/script>"));
        for reference in ["http:", "https:", "src=", "href=", "import ", "fetch("] {
            assert!(!page.contains(reference), "{reference}");
        }
    }
}
