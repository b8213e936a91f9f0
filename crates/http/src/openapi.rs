//! The OpenAPI document, made from the table of routes and the schemas beside the JSON shapes.

use claviger_authz::EndpointScope;
use claviger_domain::Method;
use serde_json::{Map, Value, json};

use crate::handlers::{FUSIONAUTH_VERSION, oauth_schemas};
use crate::routes::{Dialect, Gives, Guard, Operation, Route, Takes, all_routes};
use crate::wire;
use crate::wire::json::sorted;
use crate::wire::patch;

/// The OpenAPI 3.1 document of everything that is served, members in alphabetical order.
#[must_use]
pub fn openapi_document() -> Value {
    let mut paths = Map::new();
    for route in all_routes() {
        let path = paths.entry(route.template).or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            let method = route.method.as_str().to_ascii_lowercase();
            let operation = match methods.remove(&method) {
                None => operation(route),
                Some(other) => merged(other, operation(route)),
            };
            methods.insert(method, operation);
        }
    }
    sorted(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Claviger",
            "description": format!("API keys, the addresses from which they may be used, signing keys, tenants and entities, as FusionAuth {FUSIONAUTH_VERSION} answers."),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
        "components": {"schemas": schemas(), "securitySchemes": {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "Authorization",
                "description": "The value of an API key, without a scheme word."},
            "ApiKeyHeader": {"type": "apiKey", "in": "header", "name": "x-api-key",
                "description": "The value of an API key, in this header or in apikey."},
            "ApiKeyAsPassword": {"type": "http", "scheme": "basic",
                "description": "The user is apikey, the password the value of an API key."},
            "Client": {"type": "http", "scheme": "basic",
                "description": "The user is the client id of an entity, the password its secret."},
            "Token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "A token. The scheme JWT and the cookie access_token are taken as well."},
        }},
    }))
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.summary,
        "responses": responses(route),
        "security": match route.guard {
            Guard::Public if route.operation == Operation::ValidateToken => json!([{"Token": []}]),
            // The client id and the secret can be in the form as well.
            Guard::Public if matches!(route.takes, Takes::Form(_)) => json!([{"Client": []}, {}]),
            Guard::Public => json!([]),
            Guard::Optional(_) => json!([{}, {"ApiKey": []}, {"ApiKeyHeader": []}]),
            Guard::KeyManager if route.dialect == Some(Dialect::Fusion) => json!([{"ApiKeyHeader": []}]),
            Guard::KeyManager if route.dialect.is_some() => json!([{"ApiKey": []}]),
            Guard::Endpoint(_) | Guard::KeyManager | Guard::Roles | Guard::Gateway => {
                json!([{"ApiKey": []}, {"ApiKeyHeader": []}])
            }
            Guard::Operator(_) => json!([{"ApiKey": []}, {"ApiKeyHeader": []}, {"ApiKeyAsPassword": []}]),
        },
    });
    let mut parameters = Vec::new();
    for name in route.template.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')) {
        let schema = match (route.operation, route.guard) {
            (Operation::RetrieveAuditLog, _) => json!({"type": "integer", "format": "int64"}),
            (_, Guard::Gateway) => json!({"type": "string"}),
            _ => json!({"type": "string", "format": "uuid"}),
        };
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
    }
    for parameter in route.query() {
        parameters.push(json!({"name": parameter.name, "in": "query", "required": false,
            "description": parameter.description, "schema": {"type": parameter.schema_type}}));
    }
    if route.scope() == Some(EndpointScope::Tenant)
        || route.operation == Operation::ValidateToken
        || route.guard == Guard::Gateway
    {
        parameters.push(json!({"name": "X-FusionAuth-TenantId", "in": "header", "required": false,
            "schema": {"type": "string", "format": "uuid"}}));
    }
    if let Some(members) = operation.as_object_mut() {
        if !parameters.is_empty() {
            members.insert("parameters".to_owned(), parameters.into());
        }
        if let Takes::Json(schema) = route.takes {
            let required = !matches!(
                route.operation,
                Operation::RotateApiKey | Operation::RotateClientSecret | Operation::DeleteTenant
            );
            let content = match route.method {
                Method::Patch => patch_content(schema),
                _ => content(schema),
            };
            members.insert("requestBody".to_owned(), json!({"required": required, "content": content}));
        }
        if let Takes::Form(schema) = route.takes {
            let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
            let content = json!({"application/x-www-form-urlencoded": {"schema": schema}});
            members.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
        }
        if let Guard::Endpoint(endpoint) | Guard::Operator(endpoint) | Guard::Optional(endpoint) = route.guard
        {
            members.insert("x-permission".to_owned(), json!(format!("{} {endpoint}", route.method)));
        }
    }
    operation
}

/// One operation for the two dialects that meet on a path: either body, either answer, told apart by the header of the key.
fn merged(mut first: Value, second: Value) -> Value {
    let (Some(own), Value::Object(mut other)) = (first.as_object_mut(), second) else { return first };
    if let (Some(Value::String(summary)), Some(Value::String(addition))) =
        (own.get_mut("summary"), other.get("summary"))
    {
        summary.push_str(". With x-api-key: ");
        summary.push_str(addition);
    }
    if let (Some(Value::Array(schemes)), Some(Value::Array(more))) =
        (own.get_mut("security"), other.remove("security"))
    {
        schemes.extend(more);
    }
    if let (Some(body), Some(more)) = (own.get_mut("requestBody"), other.get("requestBody")) {
        either(body, more);
    }
    if let (Some(Value::Object(responses)), Some(Value::Object(more))) =
        (own.get_mut("responses"), other.remove("responses"))
    {
        for (status, response) in more {
            match responses.get_mut(&status) {
                Some(known) => either(known, &response),
                None => {
                    responses.insert(status, response);
                }
            }
        }
    }
    first
}

/// Lets a body be one or the other.
fn either(own: &mut Value, other: &Value) {
    const SCHEMA: &str = "/content/application~1json/schema";
    if let (Some(own), Some(other)) = (own.pointer_mut(SCHEMA), other.pointer(SCHEMA))
        && own != other
    {
        *own = json!({"oneOf": [own.take(), other]});
    }
}

/// Two routes of one operation differ by their parameter.
fn operation_id(route: &Route) -> String {
    let name = format!("{:?}", route.operation);
    let with_id = route.method == Method::Post && route.template.ends_with('}');
    let suffix = match route.template {
        _ if with_id => "WithId",
        template if template.starts_with("/{tenantId}/") => "OfTenant",
        _ => "",
    };
    let mut characters = name.chars();
    let first = characters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(characters).chain(suffix.chars()).collect()
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}})
}

/// The three media types of a PATCH.
fn patch_content(schema: &str) -> Value {
    let of = |schema: &str| json!({"schema": {"$ref": format!("#/components/schemas/{schema}")}});
    json!({patch::JSON: of(schema), patch::JSON_PATCH: of("JsonPatch"), patch::MERGE_PATCH: of(schema)})
}

fn responses(route: &Route) -> Value {
    if route.guard == Guard::Gateway {
        return gateway_responses(route.operation);
    }
    let mut responses = Map::new();
    responses.insert(
        if route.operation == Operation::CreateRole { "201" } else { "200" }.to_owned(),
        match route.gives {
            Gives::Json(schema) => json!({"description": "Done", "content": content(schema)}),
            Gives::Text(media_type) => {
                json!({"description": "Done", "content": {media_type: {"schema": {"type": "string"}}}})
            }
            Gives::Nothing => json!({"description": "Done"}),
        },
    );
    let mut add = |status: &str, description: &str, errors: bool| {
        let mut response = json!({"description": description});
        if errors && let Some(members) = response.as_object_mut() {
            let schema = match route.answers_in() {
                Dialect::FusionAuth => "Errors",
                Dialect::Fusion => "FusionError",
                Dialect::OAuth => "OAuthError",
            };
            members.insert("content".to_owned(), content(schema));
        }
        responses.insert(status.to_owned(), response);
    };
    if route.operation == Operation::DeleteTenant {
        add("202", "The tenant is being deleted, and its API keys are refused", false);
    }
    let has_id = route.template.contains('{');
    // Wherever credentials are looked at, there can be two of them.
    if route.guard != Guard::Public || has_id || route.takes != Takes::Nothing || !route.query().is_empty() {
        add("400", "The request is invalid", true);
    }
    match route.guard {
        Guard::Public if route.operation == Operation::ValidateToken => {
            add("401", "No token, or one that is not valid", false);
        }
        Guard::Public if matches!(route.takes, Takes::Form(_)) => {
            add("401", "The client is not authenticated", true);
        }
        Guard::Public | Guard::Gateway => {}
        Guard::Endpoint(_) | Guard::Operator(_) | Guard::Optional(_) | Guard::KeyManager | Guard::Roles => {
            add("401", "Not authenticated or not authorized", false);
        }
    }
    if matches!(
        route.operation,
        Operation::RetrieveJsonWebKeySet
            | Operation::RetrieveOpenIdConfiguration
            | Operation::RetrievePublicKeys
    ) {
        add("304", "The document has the tag in If-None-Match still", false);
    }
    // A POST that ends with an id makes what it names.
    if (has_id && !(route.method == Method::Post && route.template.ends_with('}')))
        || route.template.matches('{').count() > 1
        || matches!(
            route.operation,
            Operation::RetrievePublicKeys | Operation::Authorize | Operation::RetrieveOpenIdConfiguration
        )
    {
        add("404", "No such object within reach", false);
    }
    if matches!(route.takes, Takes::Json(_))
        && !matches!(
            route.operation,
            Operation::SearchApiKeysByBody
                | Operation::SearchAuditLogsByBody
                | Operation::SearchEntitiesByBody
                | Operation::SearchEntityGrantsByBody
                | Operation::SearchEntityTypesByBody
                | Operation::SearchIpAccessControlListsByBody
                | Operation::SearchKeysByBody
                | Operation::VendToken
                | Operation::Authorize
        )
    {
        add("409", "Somebody else changed the object at the same time; try again", true);
    }
    if route.takes != Takes::Nothing {
        add("413", "The body has more than 1 MiB", true);
    }
    if route.operation == Operation::RetrieveStatus {
        add("452", "The database is away", false);
    }
    if route.operation == Operation::RetrieveHealth {
        add("500", "The server cannot do its work", false);
    } else {
        add("503", "Not possible right now", true);
    }
    Value::Object(responses)
}

/// What gateways are told.
fn gateway_responses(operation: Operation) -> Value {
    let id = |description: &str| json!({"description": description, "schema": {"type": "string", "format": "uuid"}});
    let mut headers = json!({
        "X-Claviger-Api-Key-Id": id("The API key of the request, if it has one"),
        "X-Claviger-Api-Key-Name": {"schema": {"type": "string"}, "description":
            "Its name, if it has one; what is not printable ASCII, % and a space at either end are percent-encoded"},
        "X-Claviger-Entity-Id": id("The entity whose token the request has, if it has one"),
        "X-Claviger-Tenant-Id": id("The tenant to which the request is confined, if it is"),
    });
    if let Some(headers) = headers.as_object_mut().filter(|_| operation == Operation::ForwardAuth) {
        let token = json!({"description": "A JWT about the request, if it is asked for", "schema": {"type": "string"}});
        headers.insert("X-Claviger-Upstream-Token".to_owned(), token);
    }
    json!({
        "200": {"description": "The request may go on", "headers": headers},
        "401": {"description": "No credential, one that is not good, or a gateway that is not trusted",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}}},
        "403": {"description": "The credential is good but may not do that, or nobody may"},
        "503": {"description": "Not possible right now"},
    })
}

fn schemas() -> Map<String, Value> {
    let error =
        json!({"type": "object", "properties": {"code": {"type": "string"}, "message": {"type": "string"}}});
    let own = json!({
        "Error": error,
        "Errors": {"type": "object", "properties": {
            "code": {"type": "string", "description": "Fusion's code, when two credentials were sent"},
            "message": {"type": "string", "description": "Beside code"},
            "fieldErrors": {"type": "object", "additionalProperties":
                {"type": "array", "items": {"$ref": "#/components/schemas/Error"}}},
            "generalErrors": {"type": "array", "items": {"$ref": "#/components/schemas/Error"}},
        }},
        "JsonWebKeySet": {"type": "object", "properties": {"keys": {"type": "array", "items": {"type": "object"}}}},
        "Status": {"type": "object", "properties": {"status": {"type": "string"}, "version": {"type": "string"}}},
        "Version": {"type": "object", "properties": {"version": {"type": "string"}}},
    });
    [
        own,
        wire::api_key::schemas(),
        wire::api_key_rotation::schemas(),
        wire::api_key_usage::schemas(),
        wire::api_key_search::schemas(),
        wire::audit_log::schemas(),
        wire::authorization::schemas(),
        wire::entity::schemas(),
        wire::entity_grant::schemas(),
        wire::entity_search::schemas(),
        wire::entity_type::schemas(),
        wire::entity_type_permission::schemas(),
        wire::fusion::schemas(),
        wire::ip_acl::schemas(),
        wire::ip_acl_search::schemas(),
        wire::key::schemas(),
        wire::key_search::schemas(),
        wire::oauth::schemas(),
        oauth_schemas(),
        wire::patch::schemas(),
        wire::tenant::schemas(),
        wire::tenant_search::schemas(),
        wire::token::schemas(),
    ]
    .into_iter()
    .filter_map(|schemas| match schemas {
        Value::Object(schemas) => Some(schemas),
        _ => None,
    })
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reference_resolves_and_every_id_is_unique() {
        let document = openapi_document();
        let mut ids = HashSet::new();
        for operation in document["paths"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|path| path.as_object().unwrap().values())
        {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()));
        }
        let merged: HashSet<_> = all_routes().map(|route| (route.method, route.template)).collect();
        assert_eq!(ids.len(), merged.len());
        let text = document.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
