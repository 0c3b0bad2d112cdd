//! The one place where a request goes that cannot stay in memory.
//!
//! Today such a request is dropped and counted; a spool takes its place here.

use super::error::{DeliveryError, DropReason};
use super::receipt::Outcome;
use super::request::Request;
use super::stats::Counters;

/// Takes a request out of memory for good.
pub(super) fn take(request: Request, reason: DropReason, counters: &mut Counters) {
    counters.drop_one(reason);
    if let Some(receipt) = request.receipt {
        receipt.settle(Outcome::Failed(DeliveryError::Dropped(reason)));
    }
}
