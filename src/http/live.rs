//! Following the store: latest values of tags and the tail of a query, over a WebSocket or as
//! server-sent events.
//!
//! ```text
//! follower (latest or tail) ─ message: event, id, JSON ─┬─▶ WebSocket text frames
//!                                                        └─▶ event-stream
//! ```
//! | event | data |
//! |---|---|
//! | `snapshot` | `{"event":"snapshot","sequence":n,"values":[{"tag":…,"ts":…,"value":…,…}]}` |
//! | `changes` | the same, of the tags that changed |
//! | `rows` | `{"event":"rows","sequence":n,"columns":[…],"rows":[…]}`; without a sequence while more of the answer from the start follows |
//! | `reset` | `{"event":"reset"}`: what was sent is void, the answer from the start follows |
//!
//! *Invariant.* A message is made when the client took the one before: a slow client costs memory
//! for one message, and nobody else any time. The id of a message is the sequence up to which
//! nothing is missing; who comes back with it goes on from there.
//!
//! *Not here.* What is followed (`live`).

mod follower;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use tokio::sync::OwnedSemaphorePermit;

use super::select::{Selection, unknown};
use super::{Facts, Problem};
use follower::{Follower, Message};

/// LIMIT: each follower costs a task and what it knows of its tags.
pub(crate) const FOLLOWERS_MAX: usize = 256;

/// How often a silent stream says that it lives, so that proxies leave it open.
const PULSE: Duration = Duration::from_secs(15);

const PARAMETERS: &str = "tag, glob, asset, prefix, regex, label, kind, unit, source, q and since";

/// `GET /api/v1/live`: a WebSocket where one is asked for, else events.
pub(super) async fn follow(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    match upgrade {
        Ok(upgrade) => {
            let (place, follower) = begin(&facts, &parameters, &headers).await?;
            let shutdown = facts.shutdown.clone();
            let upgrade = upgrade.max_message_size(socket::MESSAGE_IN_BYTES_MAX);
            Ok(upgrade.on_upgrade(|socket| socket::serve(socket, follower, shutdown, place)))
        }
        Err(_) if wants_events(&headers) => stream(&facts, &parameters, &headers).await,
        Err(_) => Err(Problem::new(
            StatusCode::UPGRADE_REQUIRED,
            "this is a WebSocket, and the request asks for none",
        )
        .hint("connect with a WebSocket, or send Accept: text/event-stream")),
    }
}

/// `GET /api/v1/live/events`.
pub(super) async fn events(
    State(facts): State<Arc<Facts>>,
    Query(parameters): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream(&facts, &parameters, &headers).await
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/event-stream"))
}

async fn stream(
    facts: &Arc<Facts>,
    parameters: &[(String, String)],
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (place, follower) = begin(facts, parameters, headers).await?;
    let events = messages(follower, facts.shutdown.clone(), place);
    let events = Sse::new(events).keep_alive(KeepAlive::new().interval(PULSE));
    Ok(events.into_response())
}

/// The messages of a follower as events, until the server stops.
fn messages(
    follower: Follower,
    shutdown: crate::shutdown::Shutdown,
    place: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, axum::Error>> {
    let state = Some((follower, shutdown, place));
    futures::stream::unfold(state, |state| async move {
        let (mut follower, shutdown, place) = state?;
        let message = tokio::select! {
            () = shutdown.requested() => return None,
            message = follower.next() => message,
        };
        match message {
            Ok(message) => Some((Ok(event(message)), Some((follower, shutdown, place)))),
            // The last event says why there are no more.
            Err(problem) => Some((Ok(Event::default().event("error").data(problem.text())), None)),
        }
    })
}

fn event(message: Message) -> Event {
    let event = Event::default().event(message.event).data(message.data);
    match message.sequence {
        Some(sequence) => event.id(sequence.to_string()),
        None => event,
    }
}

/// Takes a place and starts following what the request names.
async fn begin(
    facts: &Facts,
    parameters: &[(String, String)],
    headers: &HeaderMap,
) -> Result<(OwnedSemaphorePermit, Follower), Problem> {
    let mut selection = Selection::default();
    let (mut query, mut since) = (None, None);
    let mut selects = false;
    for (name, value) in parameters {
        match name.as_str() {
            "q" => query = Some(value.as_str()),
            "since" => since = Some(value.as_str()),
            _ if selection.take(name, value)? => selects = true,
            _ => return Err(unknown(name, PARAMETERS)),
        }
    }
    if query.is_some() && selects {
        let detail = "a query names its tags itself";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail).hint("leave out either"));
    }
    let place = Arc::clone(&facts.followers).try_acquire_owned().map_err(|_full| {
        let detail = format!("{FOLLOWERS_MAX} clients follow already");
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).hint("repeat it later")
    })?;
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let position = position(resumed.or(since))?;
    let follower = match query {
        Some(text) => Follower::tail(facts, text, position).await?,
        None => Follower::latest(facts, selection.query(facts), position)?,
    };
    Ok((place, follower))
}

fn position(text: Option<&str>) -> Result<Option<u64>, Problem> {
    let text = text.filter(|text| !text.is_empty());
    text.map(str::parse).transpose().map_err(|_not_a_number| {
        let detail = format!("\"{}\" is no sequence", text.unwrap_or_default());
        Problem::new(StatusCode::BAD_REQUEST, detail).hint("give the id of the last event received")
    })
}
