//! `GET /api/v1/customers`: the customers of the terminal.

use actix_web::{HttpRequest, HttpResponse};

use super::conditional;
use super::types::{Customer, CustomerList};
use crate::accounts::customers;
use crate::web::Error;
use crate::web::auth::{BolsRead, OfficeStaff, Scoped};
use crate::web::context::Context;

/// List the customers.
///
/// All of them, by code. A customer's user finds its own companies in `/api/v1/me`.
#[utoipa::path(
    get,
    path = "/api/v1/customers",
    operation_id = "list_customers",
    tag = "Customers",
    responses((status = 200, description = "The customers.", body = CustomerList)),
    security(("token" = ["bols:read"]), ("session" = []))
)]
pub async fn list(
    request: HttpRequest,
    context: Context<Scoped<OfficeStaff, BolsRead>>,
) -> Result<HttpResponse, Error> {
    let customers = customers::all(&mut *context.db.get().await?).await?.into_iter();
    let customers =
        customers.map(|customer| Customer { code: customer.code, name: customer.name, is_active: customer.active });
    conditional::json(&request, &CustomerList { customers: customers.collect() })
}
