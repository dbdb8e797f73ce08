"""Names folded across scripts: against Unicode's own decompositions, and names that people write in two ways."""

import csv
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from normal_forms import SEEDS, normal, reads_as_spark

FOLD = "fold_name('v')"
KEY = "name_key(fold_name('v'))"


def letters(script: str, first: int, last: int) -> list[str]:
    """Every letter of a script that Unicode takes apart into a letter and marks."""
    found = [chr(code) for code in range(first, last) if unicodedata.name(chr(code), "").startswith(script)]
    return [one for one in found if unicodedata.decomposition(one) and "<" not in unicodedata.decomposition(one)]


def without_marks(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one)).lower()


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_every_latin_letter_loses_its_marks_as_unicode_has_it(engine: str) -> None:
    """Spark's form has functions that DuckDB has too, so it can be run here; `lower` comes first, as in `fold_text`."""
    marked = letters("LATIN", 0xC0, 0x1F00)
    assert len(marked) > 480
    got = normal("fold_accents('lower(v)')", marked, engine)
    # these lose their marks, and are no ASCII letter then
    rest = str.maketrans("æøʒſ", "æøʒſ")
    want = [without_marks(one).translate(rest) for one in marked]
    differing = [(a, b, c) for a, b, c in zip(marked, want, got, strict=True) if b != c]
    assert [a for a, _, _ in differing] == ["ẛ"]  # the long s with a dot: Gaelic print of another century


def test_letters_composed_and_decomposed_fold_alike() -> None:
    for script, first, last in (("LATIN", 0xC0, 0x1F00), ("CYRILLIC", 0x400, 0x460), ("GREEK", 0x370, 0x3D0)):
        marked = letters(script, first, last)
        taken_apart = [unicodedata.normalize("NFD", one) for one in marked]
        differing = [
            one
            for one, a, b in zip(marked, normal(FOLD, marked), normal(FOLD, taken_apart), strict=True)
            if a != b
            and one.lower() in "абвгдежзийклмнопрстуфхцчшщъьюяёàáâãäåçèéêëìíîïñòóôõöùúûüýÿāăąćčďēęěğīłńňőřśşšťūůűźżž"
        ]
        assert differing == []


@pytest.mark.parametrize("fullwidth", ["ＡＢＣ xyz １２"])
def test_full_width_letters_are_letters(fullwidth: str) -> None:
    assert normal(FOLD, [fullwidth]) == ["abc xyz 12"]


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("  Ann-Marie  O'Neil ", "ann marie oneil"),
        ("O’Brien", "obrien"),
        ("Müller-Lüdenscheidt", "muller ludenscheidt"),
        ("Strauß", "strauss"),
        ("Søren Kierkegård", "soren kierkegard"),
        ("Łukasz Żółć", "lukasz zolc"),
        ("Nguyễn Văn Ánh", "nguyen van anh"),
        ("İbrahim Işık", "ibrahim isik"),
        ("Þórður Æðelwulf", "thordur aedelwulf"),
        ("Dr. José García jr.", "jose garcia"),
        ("Prof. Dr. Anna Weber PhD", "anna weber"),
        ("Frau Weber", "weber"),
        ("г-н Иван Петров", "ivan petrov"),
        ("Г-жа Мария", "mariya"),
        ("г-н", "g n"),
        ("Sir", "sir"),
        ("Jr.", "jr"),
        ("Mr Mrs", "mrs"),
        ("Henry VIII", "henry viii"),
        ("Sig", "sig"),
        ("สมชาย ใจดี", "สมชาย ใจดี"),
        ("สมชาย Müller", "สมชาย muller"),
        ("王小明", "王小明"),
        ("محمّد عليّ", "محمّد عليّ"),
        ("हिन्दी", "हिन्दी"),
        ("한국", "한국"),
        ("-", None),
        ("", None),
        (None, None),
    ],
)
def test_name_folded(written: str | None, folded: str | None) -> None:
    assert normal(FOLD, [written]) == [folded]


# As Bulgaria's law on transliteration, Russian, Ukrainian and Serbian newspapers, and ELOT 743 (Greece) write them.
OFFICIAL = """
Иван Ivan|Георги Georgi|Димитър Dimitar|Живко Zhivko|Цветан Tsvetan|Чавдар Chavdar|Шишков Shishkov|Щерев Shterev
Ъглов Aglov|Юлия Yuliya|Яна Yana|Христо Hristo|Йордан Yordan|Пенчо Pencho|Гюров Gyurov|Кръстев Krastev
Любомир Lyubomir|Стоянов Stoyanov|Ангелов Angelov|Наталья Natalya|Эльвира Elvira|Рыбаков Rybakov|Ёлкин Elkin
Ђоковић Djokovic|Њуша Njusha|Љубиша Ljubisha|Ћосић Cosic|Ковачевић Kovachevic|Їжак Izhak|Єва Yeva
Γιώργος Giorgos|Μαρία Maria|Ελένη Eleni|Δημήτρης Dimitris|Κωνσταντίνος Konstantinos|Νίκος Nikos
Ευστάθιος Efstathios|Ευαγγελία Evangelia|Παύλος Pavlos|Θεόδωρος Theodoros|Χρήστος Christos|Ψαρράς Psarras
Ξένια Xenia|Ιωάννης Ioannis|Παπαδοπούλου Papadopoulou|Μπάμπης Bampis|Φωτεινή Foteini|Ευθύμιος Efthymios
Αγγελική Angeliki|Βασίλης Vasilis|Άγγελος Angelos|Σπύρος Spyros|Τσίπρας Tsipras|Χαράλαμπος Charalampos
Γιάννης Giannis|Ηλίας Ilias|Ουρανία Ourania|Ζωή Zoi|Λουκάς Loukas|Ραλλού Rallou
"""


def pairs(text: str) -> list[tuple[str, str]]:
    both = [pair.split(" ") for line in text.split("\n") for pair in line.split("|") if pair]
    return [(one, other) for one, other in both]


def test_cyrillic_and_greek_names_equal_their_official_romanisation() -> None:
    both = pairs(OFFICIAL)
    folded = normal(FOLD, [one for one, _ in both])
    latin = normal(FOLD, [other for _, other in both])
    assert len(both) > 55
    assert [(pair, one) for pair, one, other in zip(both, folded, latin, strict=True) if one != other] == []


# Ways in which owners, clerks and shops romanise one name, separated by blanks.
VARIANTS = """
Цветан Tsvetan Cvetan Tzvetan|Живко Zhivko Jivko|Йордан Yordan Jordan Iordan|Христо Hristo Khristo Christo
Юлия Yuliya Yulia Julia Iulia Julija|Мария Mariya Maria Marija|Чавдар Chavdar Tchavdar
Щерев Shterev Scherev Sherev|Иванов Ivanov Ivanoff Ivanow|Петков Petkov Petkoff|Румен Rumen Roumen
Любомир Lyubomir Liubomir Ljubomir|Стефан Stefan Stephan Steffan|Захариев Zahariev Zakhariev Zachariev
Михаил Mihail Mikhail Michail|Шишков Shishkov Schischkow|Николай Nikolay Nikolai Nikolaj
Сергей Sergey Sergei Sergej|Филип Filip Philip Phillip Philipp|Наталия Nataliya Natalia Natalija
Дмитрий Dmitriy Dmitri Dmitry Dmitrii Dmitrij|Алексей Aleksey Alexei Alexey Aleksei
Татьяна Tatyana Tatiana Tatjana|Евгений Evgeniy Evgeny Evgeni Evgenij|Катя Katya Katia Katja Catia
Яна Yana Iana Jana|Жеко Zheko Jeko|Вълчев Valchev Valtchev|Ганчо Gancho Gantcho|Пейчев Peychev Peitchev Peichev
Калоян Kaloyan Kaloian|Боян Boyan Bojan Boian|Müller Mueller Muller|Schröder Schroeder Schroder
Jäger Jaeger Jager|Weiß Weiss|Petrović Petrovic Petrovich Petrovitch|Hoffmann Hofmann Hoffman|Meier Meyer
Kathrin Katrin|Matthias Mathias Matias|Walther Walter Valter|Wolff Wolf|Χρήστος Christos Hristos Khristos
Θανάσης Thanasis Tanasis|Φίλιππος Filippos Philippos|Γιώργος Giorgos|Λουκάς Loukas Lukas Lucas
Χαρά Chara Hara Khara|Αλέξης Alexis Aleksis|Θεόδωρος Theodoros Teodoros|Νίκος Nikos Nicos
Ευθύμιος Efthymios Efthimios Eftimios|Κωνσταντίνος Konstantinos Constantinos|Κατερίνα Katerina Caterina
Βασίλης Vasilis Vassilis Wassilis|Ξένια Xenia Ksenia
"""


def test_usual_romanisations_share_a_key() -> None:
    groups = [group.split(" ") for line in VARIANTS.split("\n") for group in line.split("|") if group]
    assert len(groups) > 50
    keys = iter(normal(KEY, [name for group in groups for name in group]))
    found = [{name: next(keys) for name in group} for group in groups]
    assert [group for group in found if len(set(group.values())) > 1] == []


def test_keys_keep_different_names_apart() -> None:
    names = ["Ivan", "Ivana", "Ivo", "Maria", "Mario", "Marta", "Petar", "Petya", "Georgi", "Gergana", "Dimitar"]
    names += ["Daniel", "Daniela", "Elena", "Helena", "Anna", "Hanna", "Stoyan", "Stefan"]
    assert len(set(normal(KEY, names))) == len(names)


def test_nicknames_are_folded_and_lead_to_a_name_in_one_step() -> None:
    with (SEEDS / "nicknames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    short = [row["nickname"] for row in rows]
    names = {row["name"] for row in rows}
    assert len(rows) > 500
    assert len(set(short)) == len(short)
    assert names & set(short) == set()
    assert normal(FOLD, short) == short
    assert normal(FOLD, sorted(names)) == sorted(names)
    assert {"alex", "chris", "sam", "sasha", "toni", "nicky"} & set(short) == set()


@pytest.mark.parametrize(
    ("full", "given_name", "family_name", "in_order"),
    [
        ("Ann Lee", "ann", "lee", "ann lee"),
        ("Lee, Ann", "ann", "lee", "ann lee"),
        ("García López, José", "jose", "garcia lopez", "jose garcia lopez"),
        ("Smith, Jr.", "smith", None, "smith"),
        ("John Smith, Jr.", "john", "smith", "john smith"),
        ("Smith, John, PhD", "john", "smith", "john smith"),
        ("Dr. Иван Петров Георгиев", "ivan", "georgiev", "ivan petrov georgiev"),
        ("Vincent van Gogh", "vincent", "van gogh", "vincent van gogh"),
        ("Maria de la Cruz", "maria", "de la cruz", "maria de la cruz"),
        ("Anna Maria von Trapp", "anna", "von trapp", "anna maria von trapp"),
        ("van Gogh, Vincent", "vincent", "van gogh", "vincent van gogh"),
        ("Osama bin Zayd", "osama", "bin zayd", "osama bin zayd"),
        ("Maria", "maria", None, "maria"),
        ("Mr Lee", "lee", None, "lee"),
        (",", None, None, None),
        ("", None, None, None),
        (None, None, None, None),
    ],
)
def test_full_names_are_split(
    full: str | None, given_name: str | None, family_name: str | None, in_order: str | None
) -> None:
    assert normal("given_name_of('v')", [full]) == [given_name]
    assert normal("family_name_of('v')", [full]) == [family_name]
    assert normal("fold_full_name('v')", [full]) == [in_order]


PIECES = st.one_of(
    st.characters(codec="latin-1", exclude_categories=["Cc"]),
    st.characters(min_codepoint=0x100, max_codepoint=0x17F),
    st.characters(min_codepoint=0x386, max_codepoint=0x3CE),
    st.characters(min_codepoint=0x410, max_codepoint=0x45F),
    st.sampled_from(["dr ", " jr", " ", "-", ",", "ทดสอบ", "小", "'", "г-н "]),
)
NAMES = st.lists(PIECES, max_size=14).map("".join)


@settings(max_examples=15, deadline=None)
@given(st.lists(NAMES, min_size=60, max_size=60))
@pytest.mark.parametrize("call", [FOLD, "fold_full_name('v')"])
def test_a_folded_name_is_its_own(call: str, names: list[str]) -> None:
    once = normal(call, names)
    assert normal(call, [*once, *(f"  {name} " for name in names)]) == [*once, *once]


@pytest.mark.parametrize(
    "call",
    [
        FOLD,
        KEY,
        "fold_text('v')",
        "fold_accents('v')",
        "given_name_of('v')",
        "family_name_of('v')",
        "fold_full_name('v')",
    ],
)
def test_spark_reads_its_own_form(call: str) -> None:
    reads_as_spark(call)
