//! Who has a session: at most one connection per client identifier, and what the absent left.
//!
//! ```text
//!            claim                    vacate, session lives on
//!  (none) ──────────▶ Taken ─────────────────────────────────▶ Away
//!     ▲                 │ vacate, session ends                   │ claim
//!     └─────────────────┴────────────── expired ◀────────────────┘
//! ```
//!
//! *Invariant.* One session is served by one connection: a second claim waits until the first
//! connection has vacated. Time is passed in.
//!
//! *Not here.* Subscriptions (`room`): ending a session is told to the caller.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tacitus_protocol::mqtt::{Message, Session, SessionKey};
use tokio::sync::{Notify, watch};

use super::limits::SESSIONS_MAX;
use super::mailbox::{Load, Mailbox};

/// A session being served.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) client: Arc<str>,
    pub(super) key: SessionKey,
    pub(super) mailbox: Arc<Mailbox>,
    /// Told when another connection wants this session.
    pub(super) wanted: Arc<Notify>,
    /// Dropped with the seat; whoever waits for it sees that.
    _here: watch::Sender<()>,
}

/// A will on its way: whose, its number, and what to publish.
#[derive(Debug)]
pub(super) struct Legacy {
    pub(super) client: Arc<str>,
    pub(super) number: u64,
    pub(super) message: Message,
}

/// A session nobody serves.
#[derive(Debug)]
struct Away {
    session: Session,
    mailbox: Arc<Mailbox>,
    expires: Option<Instant>,
    will: Option<(Instant, Legacy)>,
}

#[derive(Debug)]
enum Place {
    Taken { key: SessionKey, wanted: Arc<Notify>, gone: watch::Receiver<()> },
    Away(Box<Away>),
}

/// What a claim found.
#[derive(Debug)]
pub(super) enum Claim {
    /// It is the caller's.
    Granted(Box<Granted>),
    /// Somebody has it: wait until the receiver fails, then claim again.
    Wait(watch::Receiver<()>),
    /// Too many sessions.
    Full,
}

/// How a client comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coming {
    /// Forget what was before.
    pub(super) clean_start: bool,
    /// A session that begins now is to outlive its connection.
    pub(super) keeps: bool,
}

/// A seat and its session.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) seat: Seat,
    pub(super) session: Session,
    pub(super) is_resumed: bool,
    /// The number of a will that was not due yet and is void now.
    pub(super) void_will: Option<u64>,
    /// A session that made way for a new one.
    pub(super) ended: Option<Ended>,
}

/// A session that is no more: its subscriptions must go, its will must be published.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) client: Arc<str>,
    pub(super) key: SessionKey,
    /// What it was subscribed to; `None` if its connection died with it.
    pub(super) session: Option<Session>,
    pub(super) will: Option<Legacy>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Seats {
    places: HashMap<Arc<str>, Place>,
    last_key: u64,
    load: Arc<Load>,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// How many sessions nobody serves.
    pub(super) fn away(&self) -> usize {
        self.places.values().filter(|place| matches!(place, Place::Away(_))).count()
    }

    /// No session of the past has a greater key.
    pub(super) fn begin_after(&mut self, last_key: u64) {
        self.last_key = self.last_key.max(last_key);
    }

    /// A mailbox for a session.
    pub(super) fn mailbox(&self, is_kept: bool) -> Arc<Mailbox> {
        Arc::new(Mailbox::new(Arc::clone(&self.load), is_kept))
    }

    /// Puts a remembered session where its client will find it.
    pub(super) fn recall(
        &mut self,
        client: Arc<str>,
        session: Session,
        mailbox: Arc<Mailbox>,
        expires: Option<Instant>,
        will: Option<(Instant, Legacy)>,
    ) {
        let away = Away { session, mailbox, expires, will };
        self.places.insert(client, Place::Away(Box::new(away)));
    }

    /// Asks for the session of a client.
    pub(super) fn claim(&mut self, client: &Arc<str>, coming: Coming) -> Claim {
        match self.places.remove(client) {
            Some(Place::Taken { key, wanted, gone }) => {
                if gone.has_changed().is_err() {
                    // Its connection ended without vacating: a panic. The session is lost.
                    let ended =
                        Ended { client: Arc::clone(client), key, session: None, will: None };
                    return self.grant(client, coming, None, Some(ended));
                }
                wanted.notify_one();
                let waiting = gone.clone();
                self.places.insert(Arc::clone(client), Place::Taken { key, wanted, gone });
                Claim::Wait(waiting)
            }
            Some(Place::Away(away)) if coming.clean_start => {
                let ended = Ended {
                    client: Arc::clone(client),
                    key: away.session.key(),
                    session: Some(away.session),
                    will: away.will.map(|(_, legacy)| legacy),
                };
                self.grant(client, coming, None, Some(ended))
            }
            Some(Place::Away(away)) => self.grant(client, coming, Some(*away), None),
            None if self.places.len() >= SESSIONS_MAX => Claim::Full,
            None => self.grant(client, coming, None, None),
        }
    }

    fn grant(
        &mut self,
        client: &Arc<str>,
        coming: Coming,
        earlier: Option<Away>,
        ended: Option<Ended>,
    ) -> Claim {
        let is_resumed = earlier.is_some();
        let (session, mailbox, void_will) = if let Some(away) = earlier {
            (away.session, away.mailbox, away.will.map(|(_, legacy)| legacy.number))
        } else {
            self.last_key += 1;
            let session = Session::new(SessionKey(self.last_key));
            let session = if coming.keeps { session.kept() } else { session };
            (session, self.mailbox(coming.keeps), None)
        };
        let (here, gone) = watch::channel(());
        let wanted = Arc::new(Notify::new());
        let key = session.key();
        let taken = Place::Taken { key, wanted: Arc::clone(&wanted), gone };
        self.places.insert(Arc::clone(client), taken);
        mailbox.come();
        let seat = Seat { client: Arc::clone(client), key, mailbox, wanted, _here: here };
        Claim::Granted(Box::new(Granted { seat, session, is_resumed, void_will, ended }))
    }

    /// Gives a seat back. The session that comes back with a will has ended, or its will is due
    /// at once; `None` means all of it waits here. A will comes with its delay in seconds.
    pub(super) fn vacate(
        &mut self,
        seat: Seat,
        session: Session,
        expiry_s: u32,
        will: Option<(u32, Legacy)>,
        now: Instant,
    ) -> Vacated {
        let Seat { client, key, mailbox, .. } = seat;
        self.places.remove(&client);
        mailbox.leave();
        if expiry_s == 0 {
            let will = will.map(|(_, legacy)| legacy);
            let ended = Ended { client, key, session: Some(session), will };
            return Vacated::Ended(Box::new(ended));
        }
        let lives = Duration::from_secs(u64::from(expiry_s));
        let (due, later) = match will {
            Some((0, legacy)) => (Some(legacy), None),
            Some((delay_s, legacy)) => {
                let delay = Duration::from_secs(u64::from(delay_s)).min(lives);
                (None, now.checked_add(delay).map(|at| (at, legacy)))
            }
            None => (None, None),
        };
        let away = Away {
            session,
            mailbox,
            expires: if expiry_s == u32::MAX { None } else { now.checked_add(lives) },
            will: later,
        };
        self.places.insert(client, Place::Away(Box::new(away)));
        Vacated::Away(due)
    }

    /// Sessions whose time is over or whose connection died, and wills whose time has come.
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Ended>, Vec<Legacy>) {
        let mut wills = Vec::new();
        let mut over = Vec::new();
        for (client, place) in &mut self.places {
            let away = match place {
                Place::Away(away) => away,
                Place::Taken { gone, .. } => {
                    if gone.has_changed().is_err() {
                        over.push(Arc::clone(client));
                    }
                    continue;
                }
            };
            if away.expires.is_some_and(|at| at <= now) {
                over.push(Arc::clone(client));
            } else if let Some((_, legacy)) = away.will.take_if(|(at, _)| *at <= now) {
                wills.push(legacy);
            }
        }
        let mut ended = Vec::with_capacity(over.len());
        for client in over {
            match self.places.remove(&client) {
                Some(Place::Away(away)) => ended.push(Ended {
                    key: away.session.key(),
                    session: Some(away.session),
                    will: away.will.map(|(_, legacy)| legacy),
                    client,
                }),
                Some(Place::Taken { key, .. }) => {
                    ended.push(Ended { client, key, session: None, will: None });
                }
                None => {}
            }
        }
        (ended, wills)
    }
}

/// What is left to do after a seat was vacated.
#[derive(Debug)]
pub(super) enum Vacated {
    /// The session is no more.
    Ended(Box<Ended>),
    /// The session waits; this will is due at once.
    Away(Option<Legacy>),
}
