//! The TCP connection below HTTP: what a client may hold open, and for how long.
//!
//! actix limits the head of the first request, and the time between two requests. It reads ahead as many requests as a
//! client sends, waits forever for a client that takes no answer, and waits forever for the rest of a chunked body after
//! its answer. [`Connection`] lies between actix and the socket and limits all three:
//!
//! - It reads nothing while an answer is under way, except the body that belongs to the request, and nothing while the
//!   client takes no answer. So a client can't make the server hold a queue of requests and answers.
//! - It closes the connection if the client takes nothing for [`STALL_TIMEOUT`], or less than [`MIN_BYTES_PER_SECOND`].
//! - It closes the connection [`UNREAD_BODY_TIMEOUT`] after an answer whose request body hasn't ended, and
//!   [`HEADS_TIMEOUT`] after the first byte of a request that isn't complete.
//!
//! [`watch`] tells it when requests begin and end.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_web::HttpMessage;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::limits::{HEADERS_TIMEOUT, KEEP_ALIVE};

/// How long a client may take nothing of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// The least that a client takes, counted over the time that the server waits for it. [`STALL_TIMEOUT`] is free.
const MIN_BYTES_PER_SECOND: u64 = 4_000;
/// How long the rest of a body may take once the answer is out. The connection can't be used again before it ends.
const UNREAD_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time for the head of any request. actix answers the first one on a connection before that.
const HEADS_TIMEOUT: Duration = HEADERS_TIMEOUT.saturating_add(Duration::from_secs(2));
/// Maximum time between two requests. actix closes most connections before that.
const IDLE_TIMEOUT: Duration = KEEP_ALIVE.saturating_add(Duration::from_secs(5));
/// Bytes that are read before the requests in them begin.
const BURST_BYTES: usize = 4 * 1024;
/// The same within the body of a request.
const BODY_BURST_BYTES: usize = 64 * 1024;
/// Bytes of an answer that wait in the kernel, apart from those that are on their way. The default, some megabytes, hides
/// for minutes that a client takes nothing.
const UNSENT_BYTES: u32 = 128 * 1024;

/// What the connection and its requests know of each other. Both are in one thread.
#[derive(Default)]
struct Shared {
    /// Requests whose answer isn't out.
    open: Cell<u32>,
    /// The body of the request is still being read.
    reads_body: Cell<bool>,
    /// When the connection is closed, unless a request begins.
    deadline: Cell<Option<Instant>>,
    /// The task of the connection, when it waits for bytes.
    reader: RefCell<Option<Waker>>,
}

impl Shared {
    fn wake_reader(&self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Brings the deadline forward.
    fn close_within(&self, time: Duration) {
        let at = Instant::now() + time;
        self.deadline.set(Some(self.deadline.get().map_or(at, |deadline| deadline.min(at))));
    }
}

/// An accepted connection.
pub struct Connection {
    io: TcpStream,
    shared: Rc<Shared>,
    /// Bytes of this turn, see [`BURST_BYTES`].
    burst: usize,
    /// Wakes the task at the deadline, or when the client has taken nothing for too long.
    read_timer: Option<Pin<Box<Sleep>>>,
    write_timer: Option<Pin<Box<Sleep>>>,
    /// Since when the client takes nothing.
    stalled_since: Option<Instant>,
    /// The time that the server has waited for the client to take something.
    waited: Duration,
    written: u64,
}

/// A connection as its requests see it.
struct Handle(Rc<Shared>);

impl Connection {
    pub fn new(io: TcpStream) -> Self {
        // A page leaves in several writes. Otherwise the kernel keeps the last one until the client has acknowledged those
        // before, which it does 40 ms later.
        if let Err(error) = io.set_nodelay(true) {
            tracing::warn!(%error, "answers may take 40 ms longer");
        }
        // Not every system has this option. Without it, a stalled client is noticed later.
        let _ = SockRef::from(&io).set_tcp_notsent_lowat(UNSENT_BYTES);
        Self {
            io,
            shared: Rc::default(),
            burst: 0,
            read_timer: None,
            write_timer: None,
            stalled_since: None,
            waited: Duration::ZERO,
            written: 0,
        }
    }

    /// Makes the connection known to its requests.
    pub fn introduce(&self, data: &mut Extensions) {
        data.insert(Handle(self.shared.clone()));
    }

    /// Whether bytes of the client have to wait.
    fn is_full(&self) -> bool {
        self.stalled_since.is_some() || (self.shared.open.get() > 0 && !self.shared.reads_body.get())
    }

    /// Counts what the client sent.
    fn received(&mut self, bytes: usize) {
        self.burst += bytes;
        if self.shared.open.get() == 0 && bytes > 0 {
            self.shared.close_within(HEADS_TIMEOUT);
        }
    }

    /// Ends the turn. The task wakes when something changes.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.burst = 0;
        self.shared.reader.replace(Some(context.waker().clone()));
        Poll::Pending
    }

    /// Returns whether the deadline has passed. Otherwise the task wakes then.
    fn poll_deadline(&mut self, context: &mut Context<'_>) -> bool {
        match self.shared.deadline.get() {
            Some(deadline) => poll_timer(&mut self.read_timer, deadline, context),
            None => false,
        }
    }

    /// Returns an error if the client takes nothing, or too little.
    fn poll_stall(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let since = *self.stalled_since.get_or_insert_with(Instant::now);
        let earned = Duration::from_millis(self.written * 1000 / MIN_BYTES_PER_SECOND);
        let patience = STALL_TIMEOUT.min((STALL_TIMEOUT + earned).saturating_sub(self.waited));
        if poll_timer(&mut self.write_timer, since + patience, context) {
            // Resets the connection. Otherwise the kernel keeps offering the rest for minutes.
            let _ = SockRef::from(&self.io).set_linger(Some(Duration::ZERO));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")));
        }
        Poll::Pending
    }

    /// Counts what the client took.
    fn taken(&mut self, bytes: usize) {
        self.written += bytes as u64;
        if let Some(since) = self.stalled_since.take() {
            self.waited += since.elapsed();
            self.shared.wake_reader();
        }
    }
}

/// Returns whether `deadline` has passed. Otherwise the task wakes then.
fn poll_timer(timer: &mut Option<Pin<Box<Sleep>>>, deadline: Instant, context: &mut Context<'_>) -> bool {
    let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if timer.deadline() != deadline {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(context).is_ready()
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_full() {
            return this.wait(context);
        }
        if this.poll_deadline(context) {
            // The end of the stream: actix closes the connection.
            return Poll::Ready(Ok(()));
        }
        let most = if this.shared.reads_body.get() { BODY_BURST_BYTES } else { BURST_BYTES };
        if this.burst >= most {
            context.waker().wake_by_ref();
            return this.wait(context);
        }
        let mut bytes = [0; BURST_BYTES];
        let room = bytes.len().min(buffer.remaining());
        let mut part = ReadBuf::new(&mut bytes[..room]);
        match Pin::new(&mut this.io).poll_read(context, &mut part) {
            Poll::Pending => this.wait(context),
            Poll::Ready(Ok(())) => {
                buffer.put_slice(part.filled());
                this.received(part.filled().len());
                Poll::Ready(Ok(()))
            }
            error => error,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match Pin::new(&mut this.io).poll_write(context, bytes) {
            Poll::Pending => this.poll_stall(context),
            Poll::Ready(Ok(written)) => {
                this.taken(written);
                Poll::Ready(Ok(written))
            }
            error => error,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }
}

/// The outermost middleware: tells the connection when a request begins, and when its answer is out.
pub async fn watch(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let Some(shared) = request.conn_data::<Handle>().map(|handle| handle.0.clone()) else {
        return Err(super::Error::Internal("the connection isn't watched".into()).into());
    };
    let answer = Answer::begin(shared.clone());
    let headers = request.headers();
    if headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
        shared.reads_body.set(true);
        let payload = request.take_payload();
        let payload: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> =
            Box::pin(RequestBody { payload, shared });
        request.set_payload(Payload::Stream { payload });
    }
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| AnswerBody { body: body.boxed(), _answer: answer }))
}

/// A request whose answer isn't out.
struct Answer(Rc<Shared>);

impl Answer {
    fn begin(shared: Rc<Shared>) -> Self {
        shared.open.set(shared.open.get() + 1);
        shared.deadline.set(None);
        Self(shared)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        let shared = &self.0;
        shared.open.set(shared.open.get().saturating_sub(1));
        shared.close_within(if shared.reads_body.take() { UNREAD_BODY_TIMEOUT } else { IDLE_TIMEOUT });
        shared.wake_reader();
    }
}

/// The body of a request. The connection reads on only while it is wanted.
struct RequestBody {
    payload: Payload,
    shared: Rc<Shared>,
}

impl Stream for RequestBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = ready!(self.payload.poll_next_unpin(context));
        if chunk.is_none() {
            self.shared.reads_body.set(false);
        }
        Poll::Ready(chunk)
    }
}

/// The body of an answer, which is out when actix drops it.
struct AnswerBody {
    body: BoxBody,
    _answer: Answer,
}

impl MessageBody for AnswerBody {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// With `curl` and pages in several writes, half of the requests on an open connection took 40 ms longer without it.
    #[tokio::test]
    async fn the_end_of_an_answer_does_not_wait_for_an_acknowledgement() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (server, _) = accepted.expect("a connection");
        assert!(client.is_ok() && !server.nodelay().expect("an option"), "the default");
        assert!(Connection::new(server).io.nodelay().expect("an option"));
    }
}
