resource "auth0_client_grant" "billing" {
  client_id = auth0_client.billing.id
  audience  = var.api
  scopes    = ["read:invoices"]
}
