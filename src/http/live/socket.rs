//! A follower's messages over a WebSocket.
//!
//! *Invariant.* What a client sends is read, so that it can close, and not otherwise used. A
//! client that takes nothing for a while is cut off.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket, close_code};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};

use super::PULSE;
use super::follower::Follower;
use crate::shutdown::Shutdown;

/// LIMIT: clients have nothing to say here.
pub(super) const MESSAGE_IN_BYTES_MAX: usize = 4096;

/// LIMIT: how long a client may take to take one message.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Sends until the client leaves, the server stops, or nothing more can be followed.
pub(super) async fn serve(
    mut socket: WebSocket,
    mut follower: Follower,
    shutdown: Shutdown,
    place: OwnedSemaphorePermit,
) {
    let mut pulse = interval_at(Instant::now() + PULSE, PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let frame = tokio::select! {
            () = shutdown.requested() => closing(close_code::AWAY, "the server stops"),
            said = socket.recv() => match said {
                Some(Ok(Frame::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => continue,
            },
            message = follower.next() => match message {
                Ok(message) => Frame::text(message.data),
                Err(problem) => closing(close_code::ERROR, &problem.text()),
            },
            _ = pulse.tick() => Frame::Ping(bytes::Bytes::new()),
        };
        let last = matches!(frame, Frame::Close(_));
        let sent = timeout(TAKEN_WITHIN, socket.send(frame)).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            break;
        }
    }
    drop(place);
}

fn closing(code: u16, reason: &str) -> Frame {
    // LIMIT: a control frame has at most 125 bytes, two of them the code.
    let mut reason = reason.to_owned();
    reason.truncate(reason.floor_char_boundary(123));
    Frame::Close(Some(CloseFrame { code, reason: reason.into() }))
}
