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
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use tacitus_protocol::mqtt::{Message, Session, SessionKey, Will};
use tokio::sync::{Notify, watch};

use super::limits::SESSIONS_MAX;
use super::mailbox::Mailbox;

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

/// A session nobody serves.
#[derive(Debug)]
struct Away {
    session: Session,
    mailbox: Arc<Mailbox>,
    expires: Option<Instant>,
    will: Option<(Instant, Message)>,
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

/// A seat and its session.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) seat: Seat,
    pub(super) session: Session,
    pub(super) is_resumed: bool,
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
    pub(super) will: Option<Message>,
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Seats {
    places: HashMap<Arc<str>, Place>,
    last_key: u64,
    /// Bytes in all mailboxes.
    mailbox_bytes: Arc<AtomicUsize>,
}

impl Seats {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Asks for the session of a client.
    pub(super) fn claim(&mut self, client: &Arc<str>, clean_start: bool) -> Claim {
        match self.places.remove(client) {
            Some(Place::Taken { key, wanted, gone }) => {
                if gone.has_changed().is_err() {
                    // Its connection ended without vacating: a panic. The session is lost.
                    let ended =
                        Ended { client: Arc::clone(client), key, session: None, will: None };
                    return self.grant(client, None, Some(ended));
                }
                wanted.notify_one();
                let waiting = gone.clone();
                self.places.insert(Arc::clone(client), Place::Taken { key, wanted, gone });
                Claim::Wait(waiting)
            }
            Some(Place::Away(away)) if clean_start => {
                let ended = Ended {
                    client: Arc::clone(client),
                    key: away.session.key(),
                    session: Some(away.session),
                    will: away.will.map(|(_, message)| message),
                };
                self.grant(client, None, Some(ended))
            }
            Some(Place::Away(away)) => self.grant(client, Some((away.session, away.mailbox)), None),
            None if self.places.len() >= SESSIONS_MAX => Claim::Full,
            None => self.grant(client, None, None),
        }
    }

    fn grant(
        &mut self,
        client: &Arc<str>,
        earlier: Option<(Session, Arc<Mailbox>)>,
        ended: Option<Ended>,
    ) -> Claim {
        let is_resumed = earlier.is_some();
        let (session, mailbox) = earlier.unwrap_or_else(|| {
            self.last_key += 1;
            let mailbox = Mailbox::new(Arc::clone(&self.mailbox_bytes));
            (Session::new(SessionKey(self.last_key)), Arc::new(mailbox))
        });
        let (here, gone) = watch::channel(());
        let wanted = Arc::new(Notify::new());
        let key = session.key();
        let taken = Place::Taken { key, wanted: Arc::clone(&wanted), gone };
        self.places.insert(Arc::clone(client), taken);
        mailbox.come();
        let seat = Seat { client: Arc::clone(client), key, mailbox, wanted, _here: here };
        Claim::Granted(Box::new(Granted { seat, session, is_resumed, ended }))
    }

    /// Gives a seat back. The session that comes back with a will has ended, or its will is due
    /// at once; `None` means all of it waits here.
    pub(super) fn vacate(
        &mut self,
        seat: Seat,
        session: Session,
        expiry_s: u32,
        will: Option<(&Will, Message)>,
        now: Instant,
    ) -> Vacated {
        let Seat { client, key, mailbox, .. } = seat;
        self.places.remove(&client);
        mailbox.leave();
        if expiry_s == 0 {
            let will = will.map(|(_, message)| message);
            return Vacated::Ended(Ended { client, key, session: Some(session), will });
        }
        let lives = Duration::from_secs(u64::from(expiry_s));
        let (due, later) = match will {
            Some((will, message)) if will.delay_s == 0 => (Some(message), None),
            Some((will, message)) => {
                let delay = Duration::from_secs(u64::from(will.delay_s)).min(lives);
                (None, now.checked_add(delay).map(|at| (at, message)))
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
    pub(super) fn due(&mut self, now: Instant) -> (Vec<Ended>, Vec<(Arc<str>, Message)>) {
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
            } else if let Some((_, message)) = away.will.take_if(|(at, _)| *at <= now) {
                wills.push((Arc::clone(client), message));
            }
        }
        let mut ended = Vec::with_capacity(over.len());
        for client in over {
            match self.places.remove(&client) {
                Some(Place::Away(away)) => ended.push(Ended {
                    key: away.session.key(),
                    session: Some(away.session),
                    will: away.will.map(|(_, message)| message),
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
    Ended(Ended),
    /// The session waits; this will is due at once.
    Away(Option<Message>),
}
