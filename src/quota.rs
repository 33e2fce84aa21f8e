//! The ledger of quota readings per upstream and window, and the forecast drawn from it.
