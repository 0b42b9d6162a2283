import { printable } from "../text.ts";

type Row = Readonly<Record<string, unknown>>;

/**
 * A JSON list of objects as a table for people: a line an object, a column a key; the keys of an
 * object in it are columns too.
 */
export function formatTable(text: string): string {
  const list: Row[] = JSON.parse(text);
  if (list.length === 0) return "none";
  const rows = list.map(flatten);
  const keys = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = [
    keys.map(printable),
    ...rows.map((row) => keys.map((key) => formatCell(row[key]))),
  ];
  const widths = keys.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  return lines.map((line) => line.trimEnd()).join("\n");
}

function flatten(row: Row): Row {
  const entries = Object.entries(row).flatMap(([key, value]) => {
    const isNested = typeof value === "object" && value !== null && !Array.isArray(value);
    return isNested ? Object.entries(value) : [[key, value]];
  });
  return Object.fromEntries(entries);
}

function formatCell(value: unknown): string {
  if (value === null || value === undefined || value === "") return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return printable(typeof value === "object" ? JSON.stringify(value) : String(value));
}
