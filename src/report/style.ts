/**
 * The report's one style block: system fonts, light and dark by the reader's preference, one column
 * on a phone.
 */

export const reportStyle = `
:root {
  color-scheme: light dark;
  --page: #fbfbf9; --panel: #ffffff; --text: #1d2129; --quiet: #596070; --line: #dcdfe5; --link: #1f5fa8;
  --before: #a3aab6; --after: #1f6fb5; --kept: #1f6fb5; --merged: #e39a2d; --pruned: #3f444e; --target: #b3372f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --panel: #1c2027; --text: #e6e8ec; --quiet: #a0a7b4; --line: #343a45; --link: #7db6ee;
    --before: #6f7888; --after: #5aa9ee; --kept: #5aa9ee; --merged: #f0b04e; --pruned: #c3c8d1; --target: #f2837a;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; }
h2 { font-size: 1.25rem; margin: 0 0 .8rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .5rem; }
p { margin: .4rem 0 .8rem; max-width: 48rem; }
a { color: var(--link); }
header p { color: var(--quiet); margin-bottom: .8rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: 0; }
section { margin-top: 1.5rem; padding: 1.25rem; background: var(--panel); border: 1px solid var(--line); border-radius: .6rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 17rem), 1fr)); gap: .8rem; margin: 0; }
.cards > div { border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.cards dt { color: var(--quiet); font-size: .9rem; }
.cards dd { margin: 0; font-variant-numeric: tabular-nums; }
.cards .value { font-size: 1.45rem; font-weight: 600; }
.cards .note { color: var(--quiet); font-size: .9rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; }
figcaption { color: var(--quiet); font-size: .92rem; margin-top: .4rem; max-width: 48rem; }
figcaption strong { color: var(--text); }
.plot { --plot-background: transparent; display: block; width: 100%; max-width: 34rem; height: auto; overflow: visible; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: 0; margin: .2rem 0 0; font-size: .92rem; }
.legend span { display: inline-block; width: .8em; height: .8em; margin-right: .4em; border-radius: 2px; vertical-align: -.05em; }
.table { timeline-scope: --across; margin-top: .4rem; }
.scroll { overflow-x: auto; scroll-timeline: --across inline; padding-bottom: .3rem; }
.scroll:focus-visible, pre:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.hint { margin: 0; color: var(--quiet); font-size: .9rem; max-height: 0; overflow: hidden; visibility: hidden; }
@supports (animation-timeline: scroll()) {
  .hint { animation: shown linear both; animation-timeline: --across; }
}
@supports not (animation-timeline: scroll()) {
  @media (max-width: 48rem) { .table:has(th:nth-child(5)) .hint { max-height: none; visibility: visible; } }
}
@keyframes shown { from, to { max-height: 4rem; visibility: visible; } }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .95rem; }
.caption { color: var(--quiet); font-size: .95rem; margin: 0 0 .2rem; }
th, td { padding: .25rem .9rem .25rem 0; text-align: right; overflow-wrap: normal; border-bottom: 1px solid var(--line); vertical-align: top; }
th:last-child, td:last-child { padding-right: .2rem; }
td, tbody th { white-space: nowrap; }
th:first-child, td:first-child, .left { text-align: left; }
td.words, tbody th.words { white-space: normal; overflow-wrap: break-word; min-width: 5rem; max-width: 17rem; }
tbody th { position: sticky; left: 0; background: var(--panel); font-weight: 400; }
th { font-weight: 600; }
details { margin-top: .5rem; font-size: .92rem; }
summary { cursor: pointer; color: var(--link); }
.series { margin-top: 1.4rem; }
.series > figcaption { margin: 0 0 .4rem; }
.strip { display: grid; grid-template-columns: repeat(var(--columns), minmax(0, 1fr)); gap: .7rem; }
.strip img { display: block; width: 100%; height: auto; border-radius: 3px; }
.changes { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 12.5rem), 1fr)); gap: 1.2rem; }
.changes img { display: block; width: 100%; max-width: 14rem; height: auto; border-radius: 3px; }
.changes .missing { color: var(--quiet); }
.guesses { margin: .2rem 0 0; color: var(--text); }
.guesses dt { color: var(--quiet); font-size: .9em; }
.guesses dd { margin: 0 0 .15rem; }
.legend .merged { background: #b9a67c; border: 2px solid #d63ad6; }
.legend .kept { background: linear-gradient(135deg, #d9a066 0 33%, #6b8f71 33% 66%, #3d5a80 66%); }
.legend .pruned { background: repeating-linear-gradient(135deg, #c8c8c8 0 1.5px, #4a4a4a 1.5px 6px); }
.legend.marks span { width: 1.4em; height: 1.1em; vertical-align: -.2em; }
.legend .alike { background: radial-gradient(circle, #fff 0 .22em, #000 .24em .36em, #8a7b5a .38em); }
.legend .attention { background: radial-gradient(circle, #000 0 .22em, #fff .24em .36em, #8a7b5a .38em); }
pre { background: var(--page); border: 1px solid var(--line); border-radius: .4rem; padding: .6rem .8rem; margin: .3rem 0 .9rem;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.2rem; margin: 0; }
.facts dt { color: var(--quiet); }
.facts dd { margin: 0; }
code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
@media (max-width: 48rem) {
  .strip { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 34rem) {
  body { padding: 1rem .7rem 3rem; }
  section { padding: .9rem; }
  .facts { grid-template-columns: 1fr; gap: 0; }
  .facts dd { margin-bottom: .6rem; }
}
@media print { section { break-inside: avoid; } nav, .hint { display: none; } .scroll { overflow: visible; } }
`;
