//! What people write: `Tenant`, `TenantNetwork`, `Retention`, `AccessGrant`, `Notice`.

pub mod access_grant;
pub mod condition;
pub mod home;
pub mod jst;
pub mod labels;
pub mod manifest;
pub mod notice;
pub mod quantity;
mod reference;
pub mod retention;
pub mod retention_status;
pub mod tenant;
pub mod tenant_machine;
pub mod tenant_network;
pub mod tenant_watched;
