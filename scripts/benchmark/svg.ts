/** Readable on white and on black. */
const INK = "#7d8590";
const GRID = "#7d859040";
const FONT = "-apple-system, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif";

/** Where a chart is drawn, in pixels. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A row of bars that stand together. */
export interface BarGroup {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly color: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
}

/** A whole image. */
export function svg(width: number, height: number, title: string, body: readonly string[]): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" \
width="${width}" height="${height}" role="img" font-family="${FONT}" font-size="13">
<title>${escapeXml(title)}</title>
${text(16, 24, title, { size: 16, weight: 600 })}
${body.join("\n")}
</svg>
`;
}

interface TextStyle {
  readonly anchor?: "start" | "middle" | "end";
  readonly color?: string;
  readonly size?: number;
  readonly weight?: number;
}

export function text(x: number, y: number, content: string, style: TextStyle = {}): string {
  const { anchor = "start", color = INK, size = 13, weight = 400 } = style;
  return (
    `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${color}" ` +
    `font-size="${size}" font-weight="${weight}">${escapeXml(content)}</text>`
  );
}

/** A line through points; dashed for what is only compared with. */
export function line(
  points: readonly (readonly [number, number])[],
  color: string,
  isDashed = false,
): string {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(" ");
  const dash = isDashed ? ' stroke-dasharray="5 4"' : "";
  return `<polyline points="${path}" fill="none" stroke="${color}" stroke-width="2"${dash}/>`;
}

/** A row of coloured names. */
export function legend(
  x: number,
  y: number,
  entries: readonly (readonly [string, string])[],
): string {
  let left = x;
  return entries
    .map(([label, color]) => {
      const entry = `<rect x="${left}" y="${y - 10}" width="11" height="11" rx="2" fill="${color}"/>
${text(left + 16, y, label)}`;
      left += 34 + label.length * 7.2;
      return entry;
    })
    .join("\n");
}

/** A vertical axis from 0 with lines across the box; returns where a value lies. */
export function yAxis(box: Box, max: number, parts: string[]): (value: number) => number {
  const step = niceStep(max / 4);
  const top = Math.ceil(max / step) * step;
  const place = (value: number) => box.y + box.height * (1 - value / top);
  for (let value = 0; value <= top + step / 2; value += step) {
    const y = round(place(value));
    const right = box.x + box.width;
    parts.push(`<line x1="${box.x}" y1="${y}" x2="${right}" y2="${y}" stroke="${GRID}"/>`);
    parts.push(text(box.x - 8, y + 4, formatNumber(value), { anchor: "end", size: 12 }));
  }
  return place;
}

/** On a bar, at its foot. */
const VALUE: TextStyle = { anchor: "middle", color: "#ffffff", size: 11, weight: 600 };

/** Bars in groups, with their values and, as a whisker, their spread. */
export function barChart(box: Box, title: string, groups: readonly BarGroup[]): string {
  const max = Math.max(...groups.flatMap(({ bars }) => bars.map((bar) => bar.max)));
  const parts = [text(box.x, box.y - 14, title, { weight: 600 })];
  const place = yAxis(box, max * 1.05, parts);
  const groupWidth = box.width / groups.length;
  for (const [index, { label, bars }] of groups.entries()) {
    const middle = box.x + groupWidth * (index + 0.5);
    const width = Math.min(40, (groupWidth * 0.86) / bars.length);
    parts.push(text(middle, box.y + box.height + 18, label, { anchor: "middle" }));
    for (const [position, bar] of bars.entries()) {
      const x = middle + width * (position - bars.length / 2);
      const [y, center] = [place(bar.value), round(x + width / 2)];
      parts.push(
        `<rect x="${round(x + 1)}" y="${round(y)}" width="${round(width - 2)}" ` +
          `height="${round(box.y + box.height - y)}" fill="${bar.color}"/>`,
        `<line x1="${center}" x2="${center}" y1="${round(place(bar.min))}" ` +
          `y2="${round(place(bar.max))}" stroke="${INK}"/>`,
        text(center, box.y + box.height - 6, formatNumber(bar.value, width < 30 ? 2 : 3), VALUE),
      );
    }
  }
  return parts.join("\n");
}

/** The least of 1, 2 and 5 times a power of ten that is not below a value. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

/** So many significant digits, and at least all those before the point. */
function formatNumber(value: number, digits = 3): string {
  return String(Number(value.toPrecision(Math.max(digits, Math.ceil(Math.log10(value))))));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escapeXml(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
