//! The kinds of records the CRM keeps, their names in paths and bodies, their ids, and their views.

/// A kind of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    Contact,
    Account,
    Deal,
    Task,
    Appointment,
    Note,
}

/// Every kind, in the order of their tables.
pub(crate) const ENTITIES: [Entity; 6] =
    [Entity::Contact, Entity::Account, Entity::Deal, Entity::Task, Entity::Appointment, Entity::Note];

/// Ids of the users records belong to, 11 digits like every id here (samples of the vendor have 10 or 11).
pub(crate) const OWNER_BASE: u64 = 70_000_001_100;

/// How many users there are.
pub(crate) const OWNERS: u64 = 8;

/// Which records a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    All,
    /// Those of the key's own user (the first one).
    Mine,
    /// Deals in this state.
    State(u8),
    /// Deleted ones.
    Deleted,
}

/// The state of a deal or a task.
pub(crate) const OPEN: u8 = 0;
/// A deal that was won; a task that was done.
pub(crate) const WON: u8 = 1;
/// A deal that was lost.
pub(crate) const LOST: u8 = 2;

impl Entity {
    /// The kind that is named so in paths (`sales_accounts`).
    pub(crate) fn from_plural(name: &str) -> Option<Self> {
        ENTITIES.into_iter().find(|e| e.plural() == name)
    }

    /// The kind that is named so in bodies and searches (`sales_account`).
    pub(crate) fn from_singular(name: &str) -> Option<Self> {
        ENTITIES.into_iter().find(|e| e.singular() == name)
    }

    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Contact => "contacts",
            Self::Account => "sales_accounts",
            Self::Deal => "deals",
            Self::Task => "tasks",
            Self::Appointment => "appointments",
            Self::Note => "notes",
        }
    }

    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Account => "sales_account",
            Self::Deal => "deal",
            Self::Task => "task",
            Self::Appointment => "appointment",
            Self::Note => "note",
        }
    }

    /// The kind as polymorphic references name it (`targetable_type`).
    pub(crate) fn type_name(self) -> &'static str {
        match self {
            Self::Contact => "Contact",
            Self::Account => "SalesAccount",
            Self::Deal => "Deal",
            Self::Task => "Task",
            Self::Appointment => "Appointment",
            Self::Note => "Note",
        }
    }

    /// The id of the first record; record `i` has this plus `i`.
    pub(crate) fn base_id(self) -> u64 {
        70_040_000_001 + 1_000_000_000 * self as u64
    }

    /// The views, each with its id and name. Freshsales has no "All Deals" and no views of activities.
    pub(crate) fn views(self) -> Vec<(u64, &'static str, Shows)> {
        let base = 70_010_000_100 + 100 * self as u64;
        let shows: &[(&'static str, Shows)] = match self {
            Self::Contact => {
                &[("All Contacts", Shows::All), ("My Contacts", Shows::Mine), ("Recycle Bin", Shows::Deleted)]
            }
            Self::Account => {
                &[("All Accounts", Shows::All), ("My Accounts", Shows::Mine), ("Recycle Bin", Shows::Deleted)]
            }
            Self::Deal => &[
                ("Open Deals", Shows::State(OPEN)),
                ("Won Deals", Shows::State(WON)),
                ("Lost Deals", Shows::State(LOST)),
                ("My Deals", Shows::Mine),
                ("Recycle Bin", Shows::Deleted),
            ],
            Self::Task | Self::Appointment | Self::Note => &[],
        };
        shows.iter().enumerate().map(|(i, (name, shows))| (base + i as u64, *name, *shows)).collect()
    }
}
