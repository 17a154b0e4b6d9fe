//! The wish to stop, known to everyone who must hear it.
//!
//! *Invariant.* A stop that was requested stays requested: whoever asks later learns of it at
//! once. A [`Trigger`] that is dropped requests the stop, so that nobody waits for ever.

use tokio::sync::watch;

/// The side that requests the stop.
#[derive(Debug)]
pub struct Trigger(watch::Sender<bool>);

/// The side that hears of it. Clone it for every task.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

impl Trigger {
    /// A trigger and the shutdown it will request.
    #[must_use]
    pub fn new() -> (Self, Shutdown) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), Shutdown(receiver))
    }

    /// Requests the stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Returns when the stop is requested; at once if it already is.
    pub async fn requested(&self) {
        let mut receiver = self.0.clone();
        // An error means that the trigger is gone, which is a request too.
        drop(receiver.wait_for(|stop| *stop).await);
    }

    /// The same news as a channel, for parts that wait on several.
    #[must_use]
    pub fn receiver(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }

    /// Whether the stop is requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_listener_hears_of_an_earlier_stop() {
        let (trigger, shutdown) = Trigger::new();
        assert!(!shutdown.is_requested());
        trigger.stop();
        shutdown.clone().requested().await;
        assert!(shutdown.is_requested());
    }

    #[tokio::test]
    async fn a_dropped_trigger_is_a_stop() {
        let (trigger, shutdown) = Trigger::new();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
