//! Which rules a client redacts with: its own, or those of its organisation once they are known.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::api_key::ApiKey;
use super::redact::organisation::Settings;
use super::redact::{OwnKeys, Redactor, Rules};

/// What a client redacts.
#[derive(Debug, Clone, Default)]
pub struct Redaction {
    /// The rules of the program.
    pub rules: Rules,
    /// Ask the server for the rules of the organisation, and send nothing before they are known
    /// (`pii=True`). Until then the program's rules are the built-in ones.
    pub from_server: bool,
}

/// Rules and their number: a request sealed with another number is sealed again.
#[derive(Debug)]
pub struct Version {
    /// Tells this version from others of the same client.
    pub number: u64,
    /// The rules.
    pub redactor: Redactor,
}

/// The rules of one client; shared by its states in all processes.
#[derive(Debug)]
pub struct Policy {
    from_server: bool,
    known: AtomicBool,
    numbers: AtomicU64,
    own: Rules,
    current: ArcSwap<Version>,
    source: ArcSwapOption<String>,
}

impl Policy {
    /// The rules as the program gave them.
    #[must_use]
    pub fn new(redaction: &Redaction, key: Option<&ApiKey>) -> Self {
        let own = OwnKeys::default();
        let own = key.map_or_else(|| own.clone(), |key| own.and(key.expose()));
        let version = Version {
            number: 0,
            redactor: Redactor::new(redaction.rules.clone()).hiding(own),
        };
        Self {
            from_server: redaction.from_server,
            known: AtomicBool::new(false),
            numbers: AtomicU64::new(1),
            own: redaction.rules.clone(),
            current: ArcSwap::from_pointee(version),
            source: ArcSwapOption::empty(),
        }
    }

    /// The rules that apply now.
    #[must_use]
    pub fn current(&self) -> Arc<Version> {
        self.current.load_full()
    }

    /// A text that leaves outside a body, such as the id of a session, without the client's keys.
    #[must_use]
    pub fn hidden<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.current.load().redactor.own_keys().hidden(text)
    }

    /// The client has another key: it is replaced by value as well, and so are those before, which
    /// may stand in what is queued.
    pub(super) fn hide(&self, key: &ApiKey) {
        self.renew(|current| {
            let own = current.own_keys().and(key.expose());
            current.clone().hiding(own)
        });
    }

    fn renew(&self, redactor: impl Fn(&Redactor) -> Redactor) {
        self.current.rcu(|version| Version {
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            redactor: redactor(&version.redactor),
        });
    }

    /// The organisation's settings as the server sent them, if it has any.
    #[must_use]
    pub fn source(&self) -> Option<Arc<String>> {
        self.source.load_full()
    }

    /// Must the server be asked before anything is sent?
    pub(super) fn must_ask(&self) -> bool {
        self.from_server && !self.known.load(Ordering::Acquire)
    }

    /// Another key may belong to another organisation.
    pub(super) fn forget(&self) {
        self.known.store(false, Ordering::Release);
    }

    /// The server has answered; what it said that cannot be used, in words.
    pub(super) fn learn(&self, settings: Settings) -> Vec<String> {
        let (pii, source, problems) = match settings {
            Settings::None => (self.own.pii.clone(), None, Vec::new()),
            Settings::Given {
                pii,
                source,
                problems,
            } => (pii, Some(Arc::new(source)), problems),
        };
        if source.is_some() || self.source.load().is_some() {
            let rules = Rules {
                pii,
                ..self.own.clone()
            };
            self.renew(|current| Redactor::new(rules.clone()).hiding(current.own_keys().clone()));
        }
        self.source.store(source);
        self.known.store(true, Ordering::Release);
        problems
    }
}
