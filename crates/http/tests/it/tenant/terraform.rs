//! The official Terraform provider: what it reads back is what it wrote, and where it wrote nothing, what its schema has as
//! default. Otherwise its plan is never empty.

use serde_json::{Value, json};

use crate::support::{Server, unique, uuid};

on_each_database! {
    shared: what_was_written_is_read_back, what_was_left_out_has_the_defaults_of_the_schema,
        a_part_of_an_object_is_filled_up, leaving_out_is_unsetting;
}

/// What the provider leaves out when it is not set, and expects to read.
fn schema_defaults() -> Value {
    let generator = |length: u32, kind: &str| json!({"length": length, "type": kind});
    let workflow = |attachment: &str| json!({"authenticatorAttachmentPreference": attachment, "userVerificationRequirement": "required"});
    let mut identifiers = json!({});
    for (name, seconds) in [
        ("authorizationGrantId", 30),
        ("changePasswordId", 600),
        ("deviceCode", 300),
        ("externalAuthenticationId", 300),
        ("loginIntent", 1800),
        ("oneTimePassword", 60),
        ("passwordlessLogin", 180),
        ("pendingAccountLink", 3600),
        ("rememberOAuthScopeConsentChoice", 2_592_000),
        ("samlv2AuthNRequestId", 300),
        ("trustToken", 180),
        ("twoFactorId", 300),
        ("twoFactorOneTimeCodeId", 60),
        ("webAuthnAuthenticationChallenge", 180),
        ("webAuthnRegistrationChallenge", 180),
    ] {
        identifiers[format!("{name}TimeToLiveInSeconds")] = json!(seconds);
    }
    for name in [
        "changePasswordId",
        "emailVerificationId",
        "passwordlessLogin",
        "registrationVerificationId",
        "setupPasswordId",
    ] {
        identifiers[format!("{name}Generator")] = generator(32, "randomBytes");
    }
    for name in ["deviceUserCodeId", "emailVerificationOneTimeCode", "registrationVerificationOneTimeCode"] {
        identifiers[format!("{name}Generator")] = generator(6, "randomAlphaNumeric");
    }
    identifiers["twoFactorOneTimeCodeIdGenerator"] = generator(6, "randomDigits");
    json!({
        "connectorPolicies": [
            {"connectorId": "e3306678-a53a-4964-9040-1c96f36dda72", "domains": ["*"], "migrate": false}],
        "emailConfiguration": {"host": "localhost", "port": 25},
        "externalIdentifierConfiguration": identifiers,
        "issuer": "acme.com",
        "jwtConfiguration": {
            "refreshTokenExpirationPolicy": "Fixed",
            "refreshTokenSlidingWindowConfiguration": {"maximumTimeToLiveInMinutes": 43_200},
            "refreshTokenTimeToLiveInMinutes": 43_200,
            "refreshTokenUsagePolicy": "Reusable",
            "timeToLiveInSeconds": 3600,
        },
        "multiFactorConfiguration": {"loginPolicy": "Enabled"},
        "ssoConfiguration": {"deviceTrustTimeToLiveInSeconds": 31_536_000},
        "webAuthnConfiguration":
            {"bootstrapWorkflow": workflow("any"), "reauthenticationWorkflow": workflow("platform")},
    })
}

/// A request with every object of the type, as a configuration with all of them makes it: flags are there also when they
/// are false; zeros, empty texts and ids that are not set are not.
fn full(server: &Server) -> Value {
    let limit = |seconds: u32| json!({"enabled": true, "limit": 5, "timePeriodInSeconds": seconds});
    let mut tenant = schema_defaults();
    let more = json!({
        "accessControlConfiguration": {"uiIPAccessControlListId": uuid()},
        "captchaConfiguration":
            {"captchaMethod": "GoogleRecaptchaV3", "enabled": true, "secretKey": "s", "siteKey": "k", "threshold": 0.5},
        "configured": false,
        "connectorPolicies": [
            {"connectorId": uuid(), "domains": ["example.com", "example.org"], "migrate": true},
            {"connectorId": "e3306678-a53a-4964-9040-1c96f36dda72", "domains": ["*"], "migrate": false}],
        "data": {"team": {"name": "identity", "members": ["a", "b"]}, "since": 1_700_000_000_000_i64},
        "eventConfiguration": {"events": {"user.create": {"enabled": true, "transactionType": "None"}}},
        "failedAuthenticationConfiguration": {"actionCancelPolicy": {"onPasswordReset": false}, "actionDuration": 3,
            "actionDurationUnit": "MINUTES", "emailUser": false, "resetCountInSeconds": 60, "tooManyAttempts": 5},
        "familyConfiguration": {"allowChildRegistrations": true, "deleteOrphanedAccounts": false,
            "deleteOrphanedAccountsDays": 30, "enabled": false, "maximumChildAge": 12, "minimumOwnerAge": 21,
            "parentRegistrationRequired": false},
        "formConfiguration": {"adminUserFormId": uuid()},
        "httpSessionMaxInactiveInterval": 7200,
        "issuer": "https://login.example.com",
        "lambdaConfiguration": {"scimUserRequestConverterId": uuid()},
        "loginConfiguration": {"requireAuthentication": true},
        "logoutURL": "https://example.com/bye",
        "maximumPasswordAge": {"days": 180, "enabled": false},
        "minimumPasswordAge": {"enabled": false, "seconds": 30},
        "oauthConfiguration": {"clientCredentialsAccessTokenPopulateLambdaId": uuid()},
        "passwordEncryptionConfiguration": {"encryptionScheme": "salted-pbkdf2-hmac-sha256",
            "encryptionSchemeFactor": 24000, "modifyEncryptionSchemeOnLogin": false},
        "passwordValidationRules": {"breachDetection": {"enabled": false, "matchMode": "High"}, "maxLength": 256,
            "minLength": 8, "rememberPreviousPasswords": {"count": 1, "enabled": false}, "requireMixedCase": false,
            "requireNonAlpha": false, "requireNumber": false, "validateOnLogin": false},
        "phoneConfiguration": {"verifyPhoneNumber": false, "unverified": {"allowPhoneNumberChangeWhenGated": false}},
        "rateLimitConfiguration": {"failedLogin": limit(60), "forgotPassword": limit(61),
            "sendEmailVerification": limit(62), "sendPasswordless": limit(63), "sendRegistrationVerification": limit(64),
            "sendTwoFactor": limit(65)},
        "registrationConfiguration": {"blockedDomains": ["example.net"]},
        "scimServerConfiguration": {"clientEntityTypeId": uuid(), "enabled": true, "serverEntityTypeId": uuid()},
        "themeId": uuid(),
        "userDeletePolicy": {"unverified": {"enabled": false, "numberOfDaysToRetain": 120}},
        "usernameConfiguration": {"unique":
            {"enabled": false, "numberOfDigits": 5, "separator": "#", "strategy": "OnCollision"}},
    });
    for (name, value) in more.as_object().unwrap() {
        tenant[name] = value.clone();
    }
    tenant["emailConfiguration"] = json!({"additionalHeaders": [{"name": "X-A", "value": "b"}], "debug": false,
        "defaultFromEmail": "a@example.com", "host": "mail.example.com", "password": "secret", "port": 587,
        "security": "TLS", "unverified": {"allowEmailChangeWhenGated": false, "behavior": "Allow"},
        "username": "mailer", "verificationStrategy": "ClickableLink", "verifyEmail": true});
    tenant["externalIdentifierConfiguration"]["changePasswordIdGenerator"] =
        json!({"length": 16, "type": "randomAlpha"});
    let jwt = &mut tenant["jwtConfiguration"];
    jwt["accessTokenKeyId"] = json!(server.signing_key());
    jwt["enabled"] = json!(false);
    jwt["idTokenKeyId"] = json!(server.signing_key());
    jwt["refreshTokenRevocationPolicy"] =
        json!({"onLoginPrevented": true, "onMultiFactorEnable": false, "onPasswordChanged": true});
    jwt["timeToLiveInSeconds"] = json!(600);
    tenant["multiFactorConfiguration"] = json!({"authenticator": {"algorithm": "HmacSHA1", "codeLength": 6,
        "enabled": true, "timeStep": 30}, "email": {"enabled": false}, "loginPolicy": "Required",
        "sms": {"enabled": false}});
    tenant["ssoConfiguration"]["allowAccessTokenBootstrap"] = json!(false);
    tenant["webAuthnConfiguration"]["enabled"] = json!(false);
    tenant["name"] = json!(unique("terraform"));
    tenant
}

/// A configuration with nothing but a name: flags of objects that are always sent, and no more.
fn smallest() -> Value {
    json!({
        "configured": false,
        "emailConfiguration": {"debug": false, "unverified": {"allowEmailChangeWhenGated": false}},
        "externalIdentifierConfiguration": {"changePasswordIdGenerator": {}, "setupPasswordIdGenerator": {}},
        "familyConfiguration": {"allowChildRegistrations": false, "deleteOrphanedAccounts": false, "enabled": false},
        "jwtConfiguration": {"accessTokenKeyId": "", "enabled": false,
            "refreshTokenRevocationPolicy": {"onLoginPrevented": false, "onPasswordChanged": false},
            "refreshTokenSlidingWindowConfiguration": {}},
        "loginConfiguration": {"requireAuthentication": false},
        "multiFactorConfiguration": {"authenticator": {"enabled": false}, "email": {"enabled": false}},
        "name": unique("terraform"),
        "passwordValidationRules": {"breachDetection": {"enabled": false}},
        "rateLimitConfiguration": {"failedLogin": {"enabled": false}},
        "ssoConfiguration": {"allowAccessTokenBootstrap": false},
        "webAuthnConfiguration": {"bootstrapWorkflow": {"enabled": false}, "enabled": false,
            "reauthenticationWorkflow": {"enabled": false}},
    })
}

fn request(tenant: &Value) -> Value {
    json!({"eventInfo": {"location": {}}, "sourceTenantId": "", "tenant": tenant})
}

/// Asserts that `read` has everything that `written` has, with the same values; it may have more members.
#[track_caller]
fn check_contains(read: &Value, written: &Value, place: &str) {
    match written {
        Value::Object(members) => {
            for (name, written) in members {
                let read = read.get(name).unwrap_or_else(|| panic!("{place}.{name} is missing"));
                check_contains(read, written, &format!("{place}.{name}"));
            }
        }
        other => assert_eq!(read, other, "{place}"),
    }
}

/// What must be read back of what was written: all but what is read-only, and ids that are not set.
fn readable(written: &Value) -> Value {
    let mut readable = written.clone();
    readable.as_object_mut().unwrap().remove("configured");
    if let Some(jwt) = readable.get_mut("jwtConfiguration").and_then(Value::as_object_mut) {
        jwt.retain(|_, value| value != "");
    }
    readable
}

/// Creates and updates twice as Terraform does, and compares after each step.
#[track_caller]
fn apply_twice(server: &Server, tenant: &Value) -> Value {
    let manager = server.as_key_manager();
    let created = manager.post("/api/tenant", &request(tenant)).ok();
    let path = format!("/api/tenant/{}", created["tenant"]["id"].as_str().unwrap());
    check_contains(&created["tenant"], &readable(tenant), "tenant");
    assert_eq!(manager.get(&path).ok(), created);
    for _ in 0..2 {
        assert_eq!(manager.put(&path, &request(tenant)).ok(), created);
        assert_eq!(manager.get(&path).ok(), created);
    }
    // The data source goes through the list.
    let list = manager.get("/api/tenant").ok();
    assert!(list["tenants"].as_array().unwrap().contains(&created["tenant"]));
    created["tenant"].clone()
}

fn what_was_written_is_read_back(server: &Server) {
    let tenant = full(server);
    let read = apply_twice(server, &tenant);
    // Nothing is filled in where everything is set.
    let mut expected = readable(&tenant);
    for name in ["configured", "id", "insertInstant", "lastUpdateInstant", "state"] {
        expected[name] = read[name].clone();
    }
    assert_eq!(read, expected);
}

fn what_was_left_out_has_the_defaults_of_the_schema(server: &Server) {
    for tenant in [smallest(), json!({"name": unique("terraform")})] {
        let read = apply_twice(server, &tenant);
        check_contains(&read, &schema_defaults(), "tenant");
        for computed in ["accessTokenKeyId", "idTokenKeyId"] {
            assert!(read["jwtConfiguration"][computed].is_string(), "{computed}");
        }
        assert!(read["themeId"].is_string());
    }
}

fn a_part_of_an_object_is_filled_up(server: &Server) {
    let tenant = json!({
        "name": unique("terraform"),
        "emailConfiguration": {"host": "mail.example.com"},
        "externalIdentifierConfiguration": {"changePasswordIdGenerator": {"length": 12}, "loginIntentTimeToLiveInSeconds": 5},
        "webAuthnConfiguration": {"bootstrapWorkflow": {"userVerificationRequirement": "discouraged"}},
    });
    let read = apply_twice(server, &tenant);
    let mut expected = schema_defaults();
    expected["emailConfiguration"]["host"] = json!("mail.example.com");
    expected["externalIdentifierConfiguration"]["changePasswordIdGenerator"]["length"] = json!(12);
    expected["externalIdentifierConfiguration"]["loginIntentTimeToLiveInSeconds"] = json!(5);
    expected["webAuthnConfiguration"]["bootstrapWorkflow"]["userVerificationRequirement"] =
        json!("discouraged");
    for name in ["emailConfiguration", "externalIdentifierConfiguration", "webAuthnConfiguration"] {
        assert_eq!(read[name], expected[name]);
    }
}

fn leaving_out_is_unsetting(server: &Server) {
    let manager = server.as_key_manager();
    let created = manager.post("/api/tenant", &request(&full(server))).ok();
    let path = format!("/api/tenant/{}", created["tenant"]["id"].as_str().unwrap());
    let tenant = smallest();
    let after = manager.put(&path, &request(&tenant)).ok();
    check_contains(&after["tenant"], &readable(&tenant), "tenant");
    check_contains(&after["tenant"], &schema_defaults(), "tenant");
    for gone in ["data", "logoutURL", "accessControlConfiguration", "registrationConfiguration"] {
        assert_eq!(after["tenant"].get(gone), None, "{gone}");
    }
    assert_eq!(manager.get(&path).ok(), after);
}
