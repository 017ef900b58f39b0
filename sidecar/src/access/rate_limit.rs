//! Rate limits by key and by address: token limits that refill over a window, and permits for open streams.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

use super::keys::Caller;
use crate::settings;
use crate::settings::Settings;

/// The limit that was reached, and when to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limit {limit:?} of {max} is used up; retry after {retry_after} s")]
pub struct RateLimited {
    /// Which limit.
    pub limit: Limit,
    /// Its maximum.
    pub max: u32,
    /// Seconds until a retry can succeed; at least 1.
    pub retry_after: u32,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Requests of a key.
    Requests,
    /// Generations of a key.
    Generations,
    /// Completions of a key.
    Completions,
    /// Streams that a key has open.
    Streams,
    /// Requests from an address.
    Address,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Maximum number of limits of a class. Addresses beyond that share one until earlier ones have refilled.
const MAX_BUCKETS: usize = 10_000;

/// The class of a request, which decides the limits that apply to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestClass {
    /// Any other request.
    Plain,
    /// It generates code.
    Generation,
    /// It generates code, as a stream.
    Stream,
    /// It completes code.
    Completion,
    /// It reports what became of a completion.
    Report,
}

/// The limit that will be reached first, and how much of it remains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// The maximum number of requests.
    pub limit: u32,
    /// Requests that remain now.
    pub remaining: u32,
    /// Seconds until all of them are available again.
    pub reset: u64,
}

impl LimitStatus {
    /// The status of a limit that refused a request.
    #[must_use]
    pub fn exhausted(limited: &RateLimited) -> Self {
        Self { limit: limited.max, remaining: 0, reset: limited.retry_after.into() }
    }
}

/// The limits. Clones share them.
#[derive(Debug, Clone)]
pub struct RateLimiters {
    settings: settings::Handle,
    limits: Arc<Mutex<Limits>>,
    streams: Arc<Mutex<HashMap<String, u32>>>,
}

impl RateLimiters {
    /// Rate limiters with the limits of the settings, which are reconfigured when the settings change.
    #[must_use]
    pub fn new(settings: settings::Handle) -> Self {
        let limits = Limits::new(&settings.current());
        Self { settings, limits: Arc::new(Mutex::new(limits)), streams: Arc::default() }
    }

    /// Counts a request of `caller` from `address`. Where no limit applies, nothing is counted and `None` is returned.
    ///
    /// # Errors
    /// When a limit is reached.
    pub fn count(
        &self,
        caller: &Caller,
        address: IpAddr,
        class: RequestClass,
    ) -> Result<Option<LimitStatus>, RateLimited> {
        let settings = self.settings.current();
        let Some(key) = caller.limited.as_ref().filter(|_| settings.rate_limit_enabled) else { return Ok(None) };
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        limits.reconfigure(&settings);
        let local = address.is_loopback();
        let mut statuses = Vec::with_capacity(3);
        match class {
            RequestClass::Plain => {}
            RequestClass::Generation | RequestClass::Stream => {
                statuses.push(limits.generations.check(key, Limit::Generations)?)
            }
            RequestClass::Report if local => return Ok(None),
            RequestClass::Report => return limits.check_address(address).map(Some),
            RequestClass::Completion => match &limits.completions {
                Some(bucket) => statuses.push(bucket.check(key, Limit::Completions)?),
                None if local => return Ok(None),
                None => {}
            },
        }
        if class != RequestClass::Completion || statuses.is_empty() {
            statuses.push(limits.requests.check(key, Limit::Requests)?);
        }
        if !(local && class == RequestClass::Completion) {
            statuses.push(limits.check_address(address)?);
        }
        Ok(statuses.into_iter().min_by_key(|status| status.remaining))
    }

    /// A permit for a stream of `caller`, if one is needed; dropping it releases it.
    ///
    /// # Errors
    /// When the caller has its maximum number of streams open.
    pub fn open_stream(&self, caller: &Caller) -> Result<Option<StreamPermit>, RateLimited> {
        let settings = self.settings.current();
        let Some(key) = caller.limited.as_ref().filter(|_| settings.rate_limit_enabled) else { return Ok(None) };
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let max = settings.rate_limit_streams;
        let open = streams.entry(key.clone()).or_default();
        if *open >= max {
            return Err(RateLimited { limit: Limit::Streams, max, retry_after: 5 });
        }
        *open += 1;
        Ok(Some(StreamPermit { streams: Arc::clone(&self.streams), key: key.clone() }))
    }
}

/// An open stream's permit, one of those of its key.
#[derive(Debug)]
pub struct StreamPermit {
    streams: Arc<Mutex<HashMap<String, u32>>>,
    key: String,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = streams.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                streams.remove(&self.key);
            }
        }
    }
}

/// All limits, with the limits that they were created with.
#[derive(Debug)]
struct Limits {
    requests: KeyedLimit<String>,
    generations: KeyedLimit<String>,
    completions: Option<KeyedLimit<String>>,
    addresses: KeyedLimit<IpAddr>,
}

impl Limits {
    fn new(settings: &Settings) -> Self {
        let window = window(settings);
        Self {
            requests: KeyedLimit::new(settings.rate_limit, window),
            generations: KeyedLimit::new(settings.rate_limit_generation, window),
            completions: settings.rate_limit_completion.map(|max| KeyedLimit::new(max, window)),
            addresses: KeyedLimit::new(settings.rate_limit_per_address, DAY),
        }
    }

    /// Replaces the limits whose limits have changed in the settings.
    fn reconfigure(&mut self, settings: &Settings) {
        let window = window(settings);
        self.requests.reconfigure(settings.rate_limit, window);
        self.generations.reconfigure(settings.rate_limit_generation, window);
        self.addresses.reconfigure(settings.rate_limit_per_address, DAY);
        match (&mut self.completions, settings.rate_limit_completion) {
            (Some(bucket), Some(max)) => bucket.reconfigure(max, window),
            (bucket, max) => *bucket = max.map(|max| KeyedLimit::new(max, window)),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<LimitStatus, RateLimited> {
        let addresses = &self.addresses;
        // A client with an IPv6 network has 2^64 addresses.
        let mut counted = match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & !0 << 64).into()),
            address => address,
        };
        if addresses.limiter.len() >= MAX_BUCKETS {
            addresses.limiter.retain_recent();
            if addresses.limiter.len() >= MAX_BUCKETS {
                counted = IpAddr::V6(0.into());
            }
        }
        addresses.check(&counted, Limit::Address)
    }
}

fn window(settings: &Settings) -> Duration {
    Duration::from_secs(60 * u64::from(settings.rate_limit_window_minutes))
}

type Limiter<K> = RateLimiter<K, HashMapStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// One limit for many keys or addresses, each with its own count: a burst of `max` requests, refilled evenly over the window (the
/// generic cell rate algorithm).
#[derive(Debug)]
struct KeyedLimit<K: std::hash::Hash + Eq + Clone> {
    max: u32,
    window: Duration,
    limiter: Limiter<K>,
}

impl<K: std::hash::Hash + Eq + Clone> KeyedLimit<K> {
    fn new(max: u32, window: Duration) -> Self {
        let burst = NonZeroU32::new(max).unwrap_or(NonZeroU32::MIN);
        let quota =
            Quota::with_period(window / burst.get()).expect("a window is longer than no time").allow_burst(burst);
        let limiter = Limiter::new(quota, HashMapStateStore::default(), DefaultClock::default());
        Self { max, window, limiter }
    }

    fn reconfigure(&mut self, max: u32, window: Duration) {
        if (self.max, self.window) != (max, window) {
            *self = Self::new(max, window);
        }
    }

    fn check(&self, key: &K, limit: Limit) -> Result<LimitStatus, RateLimited> {
        let max = self.max;
        if self.limiter.len() > MAX_BUCKETS {
            self.limiter.retain_recent();
        }
        match self.limiter.check_key(key) {
            Ok(snapshot) => {
                let remaining = snapshot.remaining_burst_capacity();
                let missing = max.saturating_sub(remaining);
                let reset = (self.window / max.max(1) * missing).as_secs_f64().ceil();
                Ok(LimitStatus { limit: max, remaining, reset: reset as u64 })
            }
            Err(refused) => {
                let wait = refused.wait_time_from(DefaultClock::default().now()).as_secs_f64().ceil();
                Err(RateLimited { limit, max, retry_after: (wait as u32).max(1) })
            }
        }
    }
}
