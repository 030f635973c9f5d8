/**
 * Certificates for a demo network: two anchors, and everything that they sign, as PEM files.
 *
 * There are two anchors because there are two trusts. `peers-ca.pem` says who is a node; `saes-ca.pem` says who is an
 * SAE, and signs also what the nodes show to SAEs, so that one file is all that an application needs
 * (`curl --cacert saes-ca.pem`). The private keys of both anchors are forgotten: nobody can sign anything more.
 */
import "reflect-metadata"; // first: @peculiar/x509 needs it when it loads

import type { webcrypto } from "node:crypto";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

import { SPIFFE_DOMAIN_DEFAULT, nodeUri } from "../io/peer-identity.ts";
import type { NodeId, SaeId } from "../model/ids.ts";
import { HOUR_MS } from "../model/units.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const VALID_DAYS_DEFAULT = 90;
/** X.520, ub-common-name. An SAE with a longer id is known by its URI name alone. */
const COMMON_NAME_CHARACTERS_MAX = 64;

/** What an anchor signs beside a name; the generator makes the key. */
export interface LeafRequest {
  readonly commonName: string;
  readonly names: JsonGeneralNames;
  readonly usages: readonly ("server" | "client")[];
}

/** A certificate and its private key, as PEM texts. */
export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

export interface DemoAuthority {
  /** The anchor's certificate, PEM. */
  readonly ca: string;
  issue(request: LeafRequest): Promise<PemPair>;
}

export interface DemoCertificatesRequest {
  readonly nodes: readonly NodeId[];
  readonly saes: readonly SaeId[];
  readonly spiffeDomain?: string;
  readonly validDays?: number;
}

/** Paths of a certificate and its private key. */
export interface PemFiles {
  readonly cert: string;
  readonly key: string;
}

/** Where `writeDemoCertificates` wrote what. */
export interface DemoCertificates {
  readonly peersCa: string;
  readonly saesCa: string;
  /** Of each node: what it shows to other nodes, and what it shows to SAEs. */
  readonly nodes: ReadonlyMap<NodeId, { readonly peer: PemFiles; readonly saeFacing: PemFiles }>;
  readonly saes: ReadonlyMap<SaeId, PemFiles>;
}

/** Names under which a demo node is reached. */
const LOOPBACK: JsonGeneralNames = [
  { type: "dns", value: "localhost" },
  { type: "ip", value: "127.0.0.1" },
  { type: "ip", value: "::1" },
];

/** A new anchor; its private key lives in the returned object only. */
export async function createDemoAuthority(commonName: string, validDays = VALID_DAYS_DEFAULT): Promise<DemoAuthority> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  const anchor = await X509CertificateGenerator.createSelfSigned({
    name: [{ CN: [commonName] }],
    keys,
    signingAlgorithm: ALGORITHM,
    ...validity(validDays),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    ca: pemOf(anchor),
    issue: async ({ commonName, names, usages }) => {
      const leaf = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
      const certificate = await X509CertificateGenerator.create({
        subject: [{ CN: [commonName.slice(0, COMMON_NAME_CHARACTERS_MAX)] }],
        issuer: anchor.subjectName,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        ...validity(validDays),
        extensions: [
          new BasicConstraintsExtension(false, undefined, true),
          new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
          new ExtendedKeyUsageExtension(
            usages.map((usage) => (usage === "server" ? ExtendedKeyUsage.serverAuth : ExtendedKeyUsage.clientAuth)),
          ),
          new SubjectAlternativeNameExtension(names),
          await SubjectKeyIdentifierExtension.create(leaf.publicKey),
          await AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { cert: pemOf(certificate), key: await privateKeyPem(leaf.privateKey) };
    },
  };
}

/** What a node shows to other nodes, as server and as client. */
export function peerLeaf(node: NodeId, spiffeDomain = SPIFFE_DOMAIN_DEFAULT): LeafRequest {
  const uri = { type: "url", value: nodeUri(node, spiffeDomain) } as const;
  return { commonName: node, names: [uri, ...LOOPBACK], usages: ["server", "client"] };
}

/** What a node shows to SAEs. The URI name tells which node it is; SAEs look at the host name. */
export function saeFacingLeaf(node: NodeId, spiffeDomain = SPIFFE_DOMAIN_DEFAULT): LeafRequest {
  return { ...peerLeaf(node, spiffeDomain), usages: ["server"] };
}

export function saeLeaf(sae: SaeId, spiffeDomain = SPIFFE_DOMAIN_DEFAULT): LeafRequest {
  const uri = { type: "url", value: `spiffe://${spiffeDomain}/sae/${encodeURIComponent(sae)}` } as const;
  return { commonName: sae, names: [uri], usages: ["client"] };
}

/**
 * Makes the certificates of a demo network, all of them new.
 *
 * ```
 * <folder>/peers-ca.pem                     <folder>/saes-ca.pem
 *          nodes/<id>/peer.pem, .key                 nodes/<id>/sae-facing.pem, .key
 *                                                    saes/<percent-encoded id>.pem, .key
 * ```
 *
 * Files of private keys are for their owner only (0600), folders too (0700); what was there is overwritten.
 */
export async function writeDemoCertificates(
  folder: string,
  { nodes, saes, spiffeDomain = SPIFFE_DOMAIN_DEFAULT, validDays = VALID_DAYS_DEFAULT }: DemoCertificatesRequest,
): Promise<DemoCertificates> {
  const peerAuthority = await createDemoAuthority("qkdnd demo: nodes", validDays);
  const saeAuthority = await createDemoAuthority("qkdnd demo: SAEs", validDays);
  const written = {
    peersCa: join(folder, "peers-ca.pem"),
    saesCa: join(folder, "saes-ca.pem"),
    nodes: new Map<NodeId, { readonly peer: PemFiles; readonly saeFacing: PemFiles }>(),
    saes: new Map<SaeId, PemFiles>(),
  };
  await writeCertificate(written.peersCa, peerAuthority.ca);
  await writeCertificate(written.saesCa, saeAuthority.ca);
  for (const node of nodes) {
    const of = join(folder, "nodes", node);
    written.nodes.set(node, {
      peer: await writePair(join(of, "peer"), await peerAuthority.issue(peerLeaf(node, spiffeDomain))),
      saeFacing: await writePair(join(of, "sae-facing"), await saeAuthority.issue(saeFacingLeaf(node, spiffeDomain))),
    });
  }
  for (const sae of saes) {
    const path = join(folder, "saes", encodeURIComponent(sae));
    written.saes.set(sae, await writePair(path, await saeAuthority.issue(saeLeaf(sae, spiffeDomain))));
  }
  return written;
}

async function writePair(path: string, { cert, key }: PemPair): Promise<PemFiles> {
  const files = { cert: `${path}.pem`, key: `${path}.key` };
  await writeCertificate(files.cert, cert);
  await rm(files.key, { force: true }); // an older file would keep its mode
  await writeFile(files.key, key, { mode: 0o600, flag: "wx" });
  return files;
}

async function writeCertificate(path: string, pem: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await writeFile(path, pem, { mode: 0o644 });
}

/** From an hour ago, for clocks that go slow. */
function validity(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - HOUR_MS), notAfter: new Date(now + days * 24 * HOUR_MS) };
}

const pemOf = (certificate: X509Certificate): string => `${certificate.toString("pem")}\n`;

async function privateKeyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  const lines = der.toString("base64").match(/.{1,64}/g)!;
  der.fill(0);
  return ["-----BEGIN PRIVATE KEY-----", ...lines, "-----END PRIVATE KEY-----", ""].join("\n");
}
