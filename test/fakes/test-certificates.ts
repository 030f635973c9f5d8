/** Certificate authorities for tests: real X.509, made in a few milliseconds, good for a day. */
import "reflect-metadata";

import type { webcrypto } from "node:crypto";

import * as x509 from "@peculiar/x509";

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  /** The authority's own certificate, PEM. */
  readonly ca: string;
  /** A certificate with these URI names; servers also get the names of this machine. */
  issue(commonName: string, uris: readonly string[]): Promise<TestCertificate>;
}

const EC = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const HOUR_MS = 3_600_000;

/** Every call makes another authority, also under the same name: a stranger's. */
export async function createTestAuthority(name: string): Promise<TestAuthority> {
  const keys = await crypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=${name}`,
    ...validity(),
    signingAlgorithm: EC,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 1, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return {
    ca: own.toString("pem"),
    issue: (commonName, uris) => issue(own.subject, keys.privateKey, commonName, uris),
  };
}

async function issue(
  issuer: string,
  signingKey: webcrypto.CryptoKey,
  commonName: string,
  uris: readonly string[],
): Promise<TestCertificate> {
  const keys = await crypto.subtle.generateKey(EC, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: `CN=${commonName}`,
    issuer,
    ...validity(),
    signingAlgorithm: EC,
    publicKey: keys.publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      new x509.SubjectAlternativeNameExtension([
        ...uris.map((value) => ({ type: "url", value }) as const),
        { type: "dns", value: "localhost" },
        { type: "ip", value: "127.0.0.1" },
      ]),
    ],
  });
  return { cert: certificate.toString("pem"), key: await pemOf(keys.privateKey) };
}

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

function validity(): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + 24 * HOUR_MS) };
}

/** Positive, and another one each time. */
function serialNumber(): string {
  return `01${crypto.randomUUID().replaceAll("-", "")}`;
}
