#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reports that are made at the end: --report sarif and --report html."""

import json
import os
import re
import unittest
import urllib.parse

import browser
import harness
from harness import Case

SITES = ""


class ReportCase(Case):
    def report(self, form, *words, status=0):
        path = os.path.join(self.directory, "report." + form)
        result = self.kebound("run", "--report", form, "-o", path, *words)
        self.assertEqual(result.returncode, status, result.replay)
        with open(path, encoding="utf-8", errors="strict") as stream:
            return stream.read()

    def source_line(self, marker):
        """(path, number of the line that holds `marker`) in the source of the program."""
        path = os.path.join(harness.SOURCE, "tests/cli/programs/sites.cc")
        with open(path) as stream:
            for number, line in enumerate(stream, 1):
                if marker in line:
                    return path, number
        raise AssertionError(marker)


class Sarif(ReportCase):
    def log(self, *words, **keywords):
        return json.loads(self.report("sarif", *words, **keywords))

    def test_results_are_the_sites_with_counts_places_and_stacks(self):
        run = self.log("--on-bound=clamp", "--backtraces=all", "--source-root", harness.SOURCE, SITES, "4")["runs"][0]
        results = {result["message"]["text"]: result for result in run["results"]}
        self.assertEqual(len(results), 3)
        _, line = self.source_line('"+a"(row)')
        rows = results[f"index 8 to 9 outside [0, 7] in matrix::check_row(int) at sites.cc:{line}"]
        self.assertEqual(rows["occurrenceCount"], 4 * 1 + 2)
        self.assertEqual(rows["level"], "warning")
        self.assertEqual(rows["properties"]["index"], [8, 9])
        self.assertEqual((rows["properties"]["handled"], rows["properties"]["propagated"]), (6, 0))
        place = rows["locations"][0]["physicalLocation"]
        self.assertEqual(place["artifactLocation"]["uri"], "tests/cli/programs/sites.cc")
        self.assertEqual(place["artifactLocation"]["uriBaseId"], "SRCROOT")
        self.assertEqual(place["region"]["startLine"], line)
        self.assertIn('"+a"(row)', place["region"]["snippet"]["text"])
        root = run["originalUriBaseIds"]["SRCROOT"]["uri"]
        self.assertEqual(urllib.parse.unquote(root), "file://" + os.path.realpath(harness.SOURCE) + "/")

        steps = [step["location"] for step in rows["codeFlows"][0]["threadFlows"][0]["locations"]]
        names = [step["logicalLocations"][0]["fullyQualifiedName"] for step in steps if "logicalLocations" in step]
        self.assertEqual(names[-1], "matrix::check_row(int)")
        self.assertLess(names.index("main"), names.index("trace(int)"))
        frames = rows["stacks"][0]["frames"]
        self.assertEqual(frames[0]["location"]["logicalLocations"][0]["fullyQualifiedName"], "matrix::check_row(int)")
        self.assertEqual(sum(stack["properties"]["count"] for stack in rows["stacks"]), 6)

        rule = run["tool"]["driver"]["rules"][rows["ruleIndex"]]
        self.assertEqual(rule["id"], rows["ruleId"])
        self.assertEqual(rule["id"], "x86-bound/array-bounds")
        self.assertIn("external/cwe/cwe-129", rule["properties"]["tags"])
        for result in run["results"]:
            where = result["locations"][0]["physicalLocation"]["artifactLocation"]
            self.assertEqual(run["artifacts"][where["index"]]["location"]["uri"], where["uri"])

    def test_fingerprints_are_those_of_the_check_not_of_the_run(self):
        first = self.log("--on-bound=clamp", SITES, "2")["runs"][0]["results"]
        second = self.log("--on-bound=clamp", SITES, "6")["runs"][0]["results"]
        prints = [{r["fingerprints"]["keboundSite/v1"] for r in results} for results in (first, second)]
        self.assertEqual(len(prints[0]), len(first))
        self.assertLessEqual(prints[0], prints[1])

    def test_the_invocation_tells_how_the_program_ended(self):
        invocation = self.log("--on-bound=clamp", harness.PICK, "12")["runs"][0]["invocations"][0]
        self.assertEqual((invocation["exitCode"], invocation["executionSuccessful"]), (0, True))
        self.assertIn("--on-bound=clamp", invocation["arguments"])
        run = self.log(harness.PICK, "12", status=-11)["runs"][0]
        invocation = run["invocations"][0]
        self.assertEqual((invocation["exitSignalNumber"], invocation["exitSignalName"]), (11, "SIGSEGV"))
        self.assertNotIn("exitCode", invocation)
        self.assertEqual([result["level"] for result in run["results"]], ["error"])

    def test_a_run_without_failures_has_no_results(self):
        run = self.log("true")["runs"][0]
        self.assertEqual(run["results"], [])
        self.assertEqual(run["tool"]["driver"]["name"], "kebound")

    def test_a_bug_check_is_a_notification_and_no_success(self):
        driver = harness.DRIVERS + "/invalid_answer.so"
        run = self.log("--driver", driver, harness.PICK, "12", status=123)["runs"][0]
        invocation = run["invocations"][0]
        self.assertFalse(invocation["executionSuccessful"])
        errors = [n for n in invocation["toolExecutionNotifications"] if n["level"] == "error"]
        self.assertEqual(len(errors), 1)
        self.assertIn("0x7f", errors[0]["descriptor"]["id"])


@unittest.skipIf(browser.CHROMIUM is None, "chromium is not installed")
class Html(ReportCase):
    def page(self, *words, **keywords):
        text = self.report("html", "--source-root", harness.SOURCE, *words, **keywords)
        return os.path.join(self.directory, "report.html"), text

    def scripted(self, path, text, script):
        """What `script` leaves in the title: run in the page, with the page's own permission."""
        nonce = re.search(r"script-src 'nonce-(\w+)'", text).group(1)
        changed = text.replace("</body>", f'<script nonce="{nonce}">{script}</script></body>')
        with open(path, "w") as stream:
            stream.write(changed)
        return re.search(r"<title>(.*?)</title>", browser.dump_dom(path), re.DOTALL).group(1)

    def test_the_page_shows_every_site_and_its_source(self):
        path, _ = self.page("--on-bound=clamp", "--backtraces=all", SITES, "4")
        dom = browser.dump_dom(path)
        self.assertIn('class="js"', dom)  # its script ran to the end of what it sets up
        _, line = self.source_line('"+a"(row)')
        self.assertIn(f"tests/cli/programs/sites.cc:{line}", dom)
        self.assertIn("6 exceptions: index 8 to 9 outside [0, 7]", dom)
        self.assertRegex(dom, rf'<span class="l hit"><span class="n">{line}</span>')
        self.assertIn("glyph_width(int)", dom)
        self.assertIn("short matrix::at&lt;short&gt;(int, int)", dom)

    def test_the_screenshots_show_a_page_in_both_colour_schemes(self):
        path, _ = self.page("--on-bound=clamp", SITES, "4")
        images = os.environ.get("KEBOUND_SCREENSHOTS", self.directory)
        shades = []
        for scheme, flag in (("light", "1"), ("dark", "0")):
            image = os.path.join(images, f"report-{scheme}.png")
            width, height, rows = browser.screenshot(path, image, f"--blink-settings=preferredColorScheme={flag}")
            self.assertEqual((width, height), (1000, 1200))
            pixels = [pixel for row in rows[::4] for pixel in row[::4]]
            self.assertGreater(len(set(pixels)), 50)
            # The upper and the lower half: neither is empty.
            for part in (rows[:600], rows[600:]):
                self.assertGreater(len({pixel for row in part[::4] for pixel in row[::4]}), 20)
            page = max(set(pixels), key=pixels.count)
            shades.append(sum(page))
            # The colour of what was handled is there: the charts are drawn.
            handled = {"light": (11, 138, 104), "dark": (52, 198, 155)}[scheme]
            self.assertGreater(pixels.count(handled), 100)
        self.assertGreater(shades[0], 600)
        self.assertLess(shades[1], 150)

    def test_filter_sort_and_zoom_work_by_keyboard_and_pointer(self):
        path, text = self.page("--on-bound=clamp", "--backtraces=all", SITES, "4")
        self.assertEqual("1 of 3 shown, glyph_width(int)", self.scripted(path, text, """
            const input = document.getElementById('filter');
            input.value = 'glyph WIDTH'; input.dispatchEvent(new Event('input'));
            const left = [...document.querySelectorAll('#site-table tbody tr')].filter((row) => !row.hidden);
            document.title = document.getElementById('filter-status').textContent + ', '
              + left.map((row) => row.querySelector('.site-name').textContent).join();"""))
        self.assertEqual("0 of 3 shown", self.scripted(path, text, """
            document.querySelector('[data-end=terminated]').click();
            document.title = document.getElementById('filter-status').textContent;"""))
        self.assertEqual("glyph_width(int),long matrix::at&lt;long&gt;(int, int),matrix::check_row(int)",
                         self.scripted(path, text, """
            const button = document.querySelector('th button[data-key=name]'); button.click(); button.click();
            document.title = [...document.querySelectorAll('.site-name')].map((name) => name.textContent).join();"""))
        self.assertEqual("100.000%|0.000%|true|trace(int)|all stacks", self.scripted(path, text, """
            const frames = [...document.querySelectorAll('#flame .frame')];
            const trace = frames.find((frame) => frame.getAttribute('aria-label').startsWith('trace(int)'));
            trace.dispatchEvent(new MouseEvent('click'));
            const show = (value) => parseFloat(value).toFixed(3) + '%';
            const zoomed = [show(trace.getAttribute('width')), show(trace.getAttribute('x')),
              frames.some((frame) => frame.getAttribute('display') === 'none')];
            const status = document.getElementById('flame-status').textContent.split(' \\u2014 ')[0];
            trace.dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}));
            for (let i = 0; i < 9; ++i) document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowUp'}));
            document.title = [...zoomed, status,
              document.activeElement.getAttribute('aria-label').split(' \\u2014 ')[0]].join('|');"""))

    def test_the_page_runs_no_script_but_its_own(self):
        path, text = self.page("--on-bound=clamp", SITES, "1")
        changed = text.replace("</h1>", "</h1><script>document.title = 'taken over'</script>"
                               "<img src=x onerror=\"document.title = 'taken over'\">")
        with open(path, "w") as stream:
            stream.write(changed)
        dom = browser.dump_dom(path)
        self.assertNotIn("<title>taken over</title>", dom)
        self.assertIn('class="js"', dom)

    def test_a_reader_of_the_screen_finds_headings_labels_and_alternatives(self):
        path, text = self.page("--on-bound=clamp", "--backtraces=all", SITES, "2")
        self.assertEqual("", self.scripted(path, text, """
            const wrong = [];
            for (const image of document.querySelectorAll('svg[role=img], [role=group], [role=region]')) {
              if (!image.getAttribute('aria-label')) wrong.push(image.outerHTML.slice(0, 80));
            }
            for (const section of document.querySelectorAll('section, article')) {
              const id = section.getAttribute('aria-labelledby');
              if (!section.getAttribute('aria-label') && !(id && document.getElementById(id))) wrong.push(section.className);
            }
            for (const header of document.querySelectorAll('th')) if (header.scope !== 'col') wrong.push(header.textContent);
            const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
            if (new Set(ids).size !== ids.length) wrong.push('ids');
            for (const link of document.querySelectorAll('a[href^="#"]')) {
              if (!document.getElementById(link.hash.slice(1))) wrong.push(link.hash);
            }
            if (document.querySelectorAll('h1').length !== 1 || document.documentElement.lang !== 'en') wrong.push('head');
            if (document.querySelectorAll('#flame [tabindex="0"]').length !== 1) wrong.push('tab stops');
            document.title = wrong.join('|');"""))

    def test_names_of_a_hostile_program_stay_text(self):
        with open(harness.PICK, "rb") as stream:
            evil = self.file("evil <b onclick=1> &amp;", stream.read())
        path, _ = self.page("--on-bound=clamp", evil, "12")
        dom = browser.dump_dom(path)
        self.assertNotIn("<b onclick", dom)
        self.assertIn("evil &lt;b onclick=1&gt; &amp;amp;", dom)


if __name__ == "__main__":
    harness.parse_arguments()
    SITES = os.path.join(os.path.dirname(harness.DRIVERS), "programs", "sites")
    unittest.main(verbosity=2)
