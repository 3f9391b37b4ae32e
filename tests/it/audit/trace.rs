//! The trace of a caller (`traceparent`) in the access log.

use reqwest::Method;

use crate::support::{Action, Answer, App, World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test(flavor = "multi_thread")]
async fn the_trace_of_a_caller_is_in_its_events() {
    let app = App::start().await;
    let acme = app.acme().await;
    let mark = app.events().await.mark();
    let path = format!("/bols/{}/download", World::ACME_BOL);
    let send = async |value: &str| {
        let request = acme.request(Method::GET, &path).header("traceparent", value);
        let answer = Answer::of(request).await;
        assert_eq!(answer.status, 303, "{value}");
        answer.header("x-request-id").to_owned()
    };
    let id = send(&format!("00-{TRACE}-00f067aa0ba902b7-01")).await;
    for malformed in
        ["", "x", &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), &format!("ff-{TRACE}-00f067aa0ba902b7-01")]
    {
        send(malformed).await;
    }
    let events = app.events().await.since(mark).only(Action::BolDownloaded);
    assert_eq!((events.len(), events[0].request_id.as_deref()), (5, Some(id.as_str())), "our own id stays");
    let traces: Vec<_> = events.iter().map(|event| event.detail["trace_id"].as_str()).collect();
    assert_eq!(traces, [Some(TRACE), None, None, None, None]);
    let found = app.auditor().await.get(&format!("/audit?q={TRACE}")).await;
    let mut links = found.attributes("a[href^='/audit/events/']", "href");
    links.dedup();
    assert_eq!(links, [format!("/audit/events/{}", events[0].id)], "the search finds the trace");
}
