//! A CRM and an ERP to try everything against, with faults on demand.
