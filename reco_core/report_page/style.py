"""The page's style sheet: light, dark and print; a phone and a desk."""

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --panel: #f4f6f8; --ink: #1a1c20; --quiet: #545b64;
 --line: #d5dae0; --one: #0b5cad; --two: #a24d05; --good: #14662f; --bad: #b3261e; --unsure: #7a5200; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --panel: #1e2329; --ink: #e8eaed; --quiet: #a9b1bb;
 --line: #3a424c; --one: #7cb7ff; --two: #f3a75c; --good: #7fd69b; --bad: #ff9a90; --unsure: #f0c664; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
 font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 4px; }
h2 { font-size: 1.25rem; margin: 40px 0 8px; padding-top: 12px; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 20px 0 4px; }
p, ul { max-width: 44rem; margin: 8px 0; overflow-wrap: break-word; }
ul { padding-left: 1.2em; }
li { margin: 4px 0; }
.lead, .quiet { color: var(--quiet); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0; }
.card { background: var(--panel); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.card dt { color: var(--quiet); font-size: .875rem; }
.card dd { margin: 0; }
.card .value { font-size: 1.6rem; font-weight: 650; line-height: 1.25; }
.verdicts { list-style: none; padding: 0; }
.verdicts li { padding: 4px 12px; border-left: 4px solid var(--line); }
.verdicts .bad { border-left-color: var(--bad); } .verdicts .good { border-left-color: var(--good); }
.verdicts .unsure { border-left-color: var(--unsure); border-left-style: dashed; }
.bad b { color: var(--bad); } .good b { color: var(--good); } .unsure b { color: var(--unsure); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(340px, 1fr)); gap: 8px 24px; }
figure { margin: 12px 0; overflow-x: auto; }
figcaption { font-weight: 600; margin-bottom: 6px; }
svg { display: block; width: 100%; height: auto; min-width: 340px; max-width: 430px; }
svg text { font-size: 12px; fill: var(--ink); }
svg .strong { font-weight: 700; } svg .quiet { fill: var(--quiet); }
.grid { stroke: var(--line); stroke-width: 1; }
.best { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 2 3; }
.bar { stroke-width: 1.5; } .bar.main { stroke: var(--one); stroke-width: 2.5; } .bar.other { stroke: var(--two); }
.point.main { fill: var(--one); stroke: var(--paper); }
.point.other { fill: var(--paper); stroke: var(--two); stroke-width: 2; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.curve.c0 { stroke: var(--one); } .curve.c1 { stroke: var(--two); stroke-dasharray: 6 3; }
.mark.c0 { fill: var(--one); } .mark.c1 { fill: var(--two); }
.fill { fill: var(--one); }
.scroll { overflow-x: auto; margin: 12px 0; }
.scroll:focus-visible, summary:focus-visible { outline: 2px solid var(--one); outline-offset: 2px; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--quiet); padding-bottom: 4px; }
th, td { padding: 5px 10px; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child { padding-left: 0; }
thead th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 600; }
.text { text-align: left; }
td, table.figures tbody th { white-space: nowrap; }
td.text, .said { white-space: normal; text-align: left; }
td.text { overflow-wrap: anywhere; min-width: 9em; }
.said { display: block; min-width: 9em; }
.under { display: block; font-size: .875rem; color: var(--quiet); }
details { margin: 12px 0; }
summary { cursor: pointer; color: var(--one); padding: 4px 0; }
footer { margin-top: 40px; padding-top: 12px; border-top: 1px solid var(--line); color: var(--quiet);
 font-size: .875rem; }
@media (max-width: 480px) { main { padding: 16px 10px 32px; } .plots { grid-template-columns: 1fr; }
 .cards { grid-template-columns: 1fr 1fr; gap: 8px; } th, td { padding: 5px 8px; } }
@media print {
 :root { color-scheme: light; --paper: #ffffff; --panel: #ffffff; --ink: #000000; --quiet: #444444; --line: #bbbbbb;
 --one: #0b5cad; --two: #a24d05; --good: #14662f; --bad: #b3261e; --unsure: #7a5200; }
 @page { margin: 16mm; }
 body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
 h2, h3, figcaption, caption { break-after: avoid; }
 figure, .card, .verdicts li, tr { break-inside: avoid; }
 .plots { grid-template-columns: 1fr 1fr; } svg { min-width: 0; max-width: 85mm; }
 .scroll, figure { overflow: visible; }
 details::details-content { content-visibility: visible; height: auto; }
}
"""
