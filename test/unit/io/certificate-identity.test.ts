/** Whom a certificate names. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { saeOfCertificate } from "../../../src/io/certificate-identity.ts";

const nameOf = (alternativeNames: string | undefined) => saeOfCertificate(alternativeNames, "qkd.example");

describe("the SAE of a certificate", () => {
  test("is the one URI name, beside any names of hosts", () => {
    assert.equal(nameOf("URI:spiffe://qkd.example/sae/alice"), "alice");
    assert.equal(nameOf("DNS:a.example, URI:spiffe://qkd.example/sae/alice, IP Address:10.0.0.1"), "alice");
    assert.equal(nameOf("URI:spiffe://qkd.example/sae/site%2F7"), "site/7");
  });

  for (const names of [
    undefined,
    "",
    "DNS:a.example",
    "URI:spiffe://qkd.example/kme/node-a",
    "URI:spiffe://qkd.example.evil/sae/alice",
    "URI:spiffe://qkd.example/sae/",
    "URI:spiffe://qkd.example/sae/alice/x",
    "URI:spiffe://qkd.example/sae/alice?x",
    "URI:spiffe://qkd.example/sae/alice#x",
    "URI:spiffe://qkd.example/sae/%ff",
    "URI:spiffe://qkd.example/sae/a%00b",
    "URI:https://qkd.example/sae/alice",
    "URI:SPIFFE://qkd.example/sae/alice",
    "URI:spiffe://qkd.example/sae/alice, URI:spiffe://qkd.example/sae/bob",
    "URI:spiffe://qkd.example/sae/alice, URI:spiffe://qkd.example/sae/alice",
    "URI:spiffe://qkd.example/sae/alice, URI:http://example/",
    "something else",
  ]) {
    test(`is nobody for ${names ?? "no names at all"}`, () => assert.equal(nameOf(names), undefined));
  }

  test("is not smuggled in by the text of another name", () => {
    assert.equal(nameOf('DNS:"x, URI:spiffe://qkd.example/sae/alice"'), undefined);
    assert.equal(nameOf('DNS:"x\\", URI:spiffe://qkd.example/sae/alice"'), undefined);
    assert.equal(nameOf('URI:"spiffe://qkd.example/sae/alice, URI:spiffe://qkd.example/sae/bob"'), undefined);
    assert.equal(nameOf('URI:"spiffe://qkd.example/sae/a,b"'), "a,b");
  });
});
