import { printable } from "../text.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * A JSON list of objects as a table for people: a line an object, a column a key; the keys of an
 * object in it are columns too. Undefined when the text is no such list.
 */
export function formatTable(text: string): string | undefined {
  const rows = parseRows(text)?.map(flatten);
  if (!rows) return undefined;
  if (rows.length === 0) return "none";
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = [
    keys.map(printable),
    ...rows.map((row) => keys.map((key) => formatCell(row[key]))),
  ];
  const widths = keys.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return lines.map((line) => line.trimEnd()).join("\n");
}

function parseRows(text: string): Row[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every(isRow) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function flatten(row: Row): Row {
  const entries = Object.entries(row).flatMap(([key, value]) =>
    isRow(value) ? Object.entries(value) : [[key, value] as const],
  );
  return Object.fromEntries(entries);
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return printable(typeof value === "object" ? JSON.stringify(value) : String(value));
}
