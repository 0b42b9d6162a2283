/**
 * What an executable holds that is not ours: the Bun runtime, what Bun is made of, and valibot. The
 * notices (THIRD_PARTY_NOTICES), the bill of materials and the license labels come from here.
 *
 * The list is Bun's own (its LICENSE.md), with what the executable shows beyond it: the parts that
 * are marked `beyond`. Commits are those that `process.versions` of this Bun tells; a test compares
 * them, so that a new Bun cannot come with the notices of an old one.
 */
export interface Part {
  readonly name: string;
  /** An SPDX license expression. */
  readonly license: string;
  /** Where its source is. */
  readonly source: string;
  /** Its name in `process.versions`, where Bun tells its version. */
  readonly key?: string;
  /** What is there: a commit, or a version. */
  readonly version?: string;
  /** How advisories name it, where they do not by its source. */
  readonly cpe?: `cpe:2.3:a:${string}`;
  /** Whether Bun's LICENSE.md does not name it. */
  readonly beyond?: true;
}

/** The runtime that the notices are about. */
export const RUNTIME = {
  version: "1.4.5",
  revision: "a7733435cf40429e3b35c36072769df2052b80f1",
  license: "MIT",
  source: "https://github.com/oven-sh/bun",
} as const;

const LGPL_PARTS: readonly Part[] = [
  {
    name: "WebKit (JavaScriptCore, WTF, parts of WebCore)",
    license: "LGPL-2.0-or-later AND LGPL-2.1-or-later AND BSD-2-Clause AND BSD-3-Clause",
    source: "https://github.com/oven-sh/WebKit",
    key: "webkit",
    version: "d6375c72affe0f70222cdcb45012b10f0bf3a9d5",
  },
  {
    name: "TinyCC",
    license: "LGPL-2.1-or-later",
    source: "https://github.com/oven-sh/tinycc",
    key: "tinycc",
    version: "05f0fafaa3be31e31d7b4b5c17dc60f62c991171",
  },
];

const LIBRARIES: readonly Part[] = [
  {
    name: "BoringSSL",
    license: "Apache-2.0",
    source: "https://github.com/oven-sh/boringssl",
    key: "boringssl",
    version: "fe703e9faa3bfd22b04eb192066856557b7e015c",
  },
  { name: "Brotli", license: "MIT", source: "https://github.com/google/brotli" },
  {
    name: "c-ares",
    license: "MIT",
    source: "https://github.com/c-ares/c-ares",
    key: "ares",
    version: "0b88066f79ac9745d6819899f1794df91b73c873",
  },
  { name: "Highway", license: "BSD-3-Clause", source: "https://github.com/google/highway" },
  {
    name: "ICU",
    license: "Unicode-3.0",
    source: "https://github.com/unicode-org/icu",
    key: "icu",
    version: "78.3",
    cpe: "cpe:2.3:a:unicode:international_components_for_unicode:78.3:*:*:*:*:*:*:*",
  },
  {
    name: "libarchive",
    license: "BSD-2-Clause",
    source: "https://github.com/libarchive/libarchive",
    key: "libarchive",
    version: "27cbc7827172698143e440801fc0ba39ccb4f1f5",
  },
  { name: "libbase64", license: "BSD-2-Clause", source: "https://github.com/aklomp/base64" },
  {
    name: "libdeflate",
    license: "MIT",
    source: "https://github.com/ebiggers/libdeflate",
    key: "libdeflate",
    version: "92e6a0db9fa848d742f9eb286c92afc60f2c3dda",
  },
  {
    name: "libjpeg-turbo",
    license: "IJG AND BSD-3-Clause AND Zlib",
    source: "https://github.com/libjpeg-turbo/libjpeg-turbo",
  },
  { name: "libspng", license: "BSD-2-Clause", source: "https://github.com/randy408/libspng" },
  { name: "libwebp", license: "BSD-3-Clause", source: "https://github.com/webmproject/libwebp" },
  {
    name: "lol-html",
    license: "BSD-3-Clause",
    source: "https://github.com/cloudflare/lol-html",
    key: "lolhtml",
    version: "725ce499aa9b71e38b7a2d0a9fbb6d7294a4079e",
  },
  {
    name: "ls-hpack",
    license: "MIT",
    source: "https://github.com/litespeedtech/ls-hpack",
    key: "lshpack",
    version: "cf0f70dd10b352194c97448eb5d00b4aa484f531",
  },
  { name: "ls-qpack", license: "MIT", source: "https://github.com/litespeedtech/ls-qpack" },
  {
    name: "lsquic",
    license: "MIT AND BSD-3-Clause",
    source: "https://github.com/litespeedtech/lsquic",
  },
  {
    name: "mimalloc",
    license: "MIT",
    source: "https://github.com/oven-sh/mimalloc",
    key: "mimalloc",
    version: "92ef6587c57b262f6e6abf513f7776a2f8d12aeb",
  },
  {
    name: "picohttpparser",
    license: "MIT",
    source: "https://github.com/h2o/picohttpparser",
    key: "picohttpparser",
    version: "f4d94b48b31e0abae029ebeafcfd9ca0680ede58",
  },
  { name: "simdutf", license: "MIT", source: "https://github.com/simdutf/simdutf" },
  {
    name: "TigerBeetle (parts)",
    license: "Apache-2.0",
    source: "https://github.com/tigerbeetle/tigerbeetle",
  },
  { name: "uSockets", license: "Apache-2.0", source: "https://github.com/uNetworking/uSockets" },
  { name: "uucode", license: "MIT", source: "https://github.com/jacobsandlund/uucode" },
  {
    name: "uWebSockets",
    license: "Apache-2.0",
    source: "https://github.com/uNetworking/uWebSockets",
  },
  {
    name: "zlib-ng",
    license: "Zlib",
    source: "https://github.com/zlib-ng/zlib-ng",
    key: "zlib",
    version: "12731092979c6d07f42da27da673a9f6c7b13586",
  },
  {
    name: "Zstandard",
    license: "BSD-3-Clause",
    source: "https://github.com/facebook/zstd",
    key: "zstd",
    version: "f8745da6ff1ad1e7bab384bd1f9d742439278e99",
  },
  {
    name: "LLVM (libc++, libc++abi, compiler-rt)",
    license: "Apache-2.0 WITH LLVM-exception",
    source: "https://github.com/llvm/llvm-project",
  },
  { name: "esbuild (ported)", license: "MIT", source: "https://github.com/evanw/esbuild" },
  {
    name: "browser polyfills of npm",
    license: "MIT AND ISC AND BSD-3-Clause AND Zlib AND Artistic-2.0",
    source: "https://github.com/oven-sh/bun/tree/main/src/node-fallbacks",
  },
  {
    name: "cssparser and selectors",
    license: "MPL-2.0",
    source: "https://github.com/servo/rust-cssparser",
    beyond: true,
  },
  {
    name: "HdrHistogram_c",
    license: "BSD-2-Clause",
    source: "https://github.com/HdrHistogram/HdrHistogram_c",
    beyond: true,
  },
  {
    name: "Node.js (parts)",
    license: "MIT",
    source: "https://github.com/nodejs/node",
    beyond: true,
  },
  { name: "Oxc", license: "MIT", source: "https://github.com/oxc-project/oxc", beyond: true },
  {
    name: "React Compiler",
    license: "MIT",
    source: "https://github.com/facebook/react",
    beyond: true,
  },
  {
    name: "Rust's standard library",
    license: "MIT",
    source: "https://github.com/rust-lang/rust",
    beyond: true,
  },
  {
    name: "SQLite",
    license: "blessing",
    source: "https://sqlite.org/src",
    key: "sqlite",
    version: "3.54.1",
    cpe: "cpe:2.3:a:sqlite:sqlite:3.54.1:*:*:*:*:*:*:*",
    beyond: true,
  },
];

/** What is linked into the runtime. */
export const PARTS: readonly Part[] = [...LGPL_PARTS, ...LIBRARIES];

/**
 * The license expression of an executable, and of what packs one: ours and all of the above, each
 * license once.
 *
 * @param more of what is packed beside it.
 */
export function licenseExpression(...more: readonly string[]): string {
  const terms = ["MIT", ...PARTS.map(({ license }) => license), ...more];
  const unique = new Set(terms.flatMap((term) => term.split(" AND ")));
  return [...unique].join(" AND ");
}
