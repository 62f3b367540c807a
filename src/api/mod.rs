//! What people write: `Tenant`, `TenantNetwork`, `Retention`.

pub mod condition;
pub mod labels;
