//! Ends the examination of a page that takes too long. What was found until then counts, and a clerk decides.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Fault, Findings, MAX_PAGE_TIME, Report};
use crate::clock::processor_time;

/// How often the time is compared with its limit.
const INTERVAL: Duration = Duration::from_millis(20);
/// Stack of the thread that examines, as large as that of a program's first thread.
const STACK_BYTES: usize = 8 << 20;

/// Writes the reports, and knows the page in progress.
pub struct Reporter {
    output: Mutex<Box<dyn Write + Send>>,
    last: Mutex<Findings>,
    /// The number of the page, or 0.
    page: AtomicUsize,
    /// Processor time at its begin, in microseconds.
    begun_at: AtomicU64,
}

impl Reporter {
    pub fn new(output: impl Write + Send + 'static) -> Self {
        Self {
            output: Mutex::new(Box::new(output)),
            last: Mutex::default(),
            page: AtomicUsize::new(0),
            begun_at: AtomicU64::new(0),
        }
    }

    pub fn fault(&self, fault: Fault) -> io::Result<()> {
        self.write(&Report::Fault(fault))
    }

    pub fn found(&self, found: &Findings) -> io::Result<()> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone_from(found);
        self.write(&Report::Found(Box::new(found.clone().shortened())))
    }

    pub fn begin_page(&self, number: usize) {
        self.begun_at.store(micros(processor_time()), Ordering::SeqCst);
        self.page.store(number, Ordering::SeqCst);
    }

    pub fn end_pages(&self) {
        self.page.store(0, Ordering::SeqCst);
    }

    /// Reports the page that takes too long, if there is one.
    fn report_slow(&self, limit: Duration) -> io::Result<bool> {
        let page = self.page.load(Ordering::SeqCst);
        let begun_at = self.begun_at.load(Ordering::SeqCst);
        if page == 0 || micros(processor_time()).saturating_sub(begun_at) < micros(limit) {
            return Ok(false);
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let slow = Findings { slow_page: Some(page), is_complete: false, ..last };
        self.write(&Report::Found(Box::new(slow.shortened())))?;
        Ok(true)
    }

    fn write(&self, line: &Report) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        output.write_all(&text)?;
        output.flush()
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Runs the work in a thread, and returns without it if a page takes too long. The process then ends.
pub fn run(reporter: Reporter, work: impl FnOnce(&Reporter) -> io::Result<()> + Send + 'static) -> io::Result<()> {
    let (reporter, watcher) = (Arc::new(reporter), thread::current());
    let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn({
        let reporter = reporter.clone();
        move || {
            let done = work(&reporter);
            watcher.unpark();
            done
        }
    })?;
    while !worker.is_finished() {
        thread::park_timeout(INTERVAL);
        if reporter.report_slow(MAX_PAGE_TIME)? {
            return Ok(());
        }
    }
    worker.join().map_err(|_| io::Error::other("the examination failed"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_page_ends_the_examination_with_what_was_found() {
        let lines = Lines::default();
        let reporter = Reporter::new(lines.clone());
        reporter.found(&Findings { pages: 3, is_complete: true, ..Findings::default() }).expect("memory");
        assert!(!reporter.report_slow(Duration::ZERO).expect("memory"), "no page has begun");
        reporter.begin_page(2);
        assert!(!reporter.report_slow(Duration::from_secs(3600)).expect("memory"));
        assert!(reporter.report_slow(Duration::ZERO).expect("memory"));
        let written = lines.0.lock().expect("a lock").clone();
        let last = written.split(|byte| *byte == b'\n').rfind(|line| !line.is_empty()).expect("a line");
        match serde_json::from_slice(last).expect("a report") {
            Report::Found(found) => assert_eq!((found.pages, found.slow_page, found.is_complete), (3, Some(2), false)),
            Report::Fault(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn the_result_of_the_work_is_returned() {
        let failed = run(Reporter::new(io::sink()), |_| Err(io::Error::other("x")));
        assert!(failed.is_err() && run(Reporter::new(io::sink()), |_| Ok(())).is_ok());
    }
}
