# ruff: noqa: E501, SIM905 (lists of names read better unwrapped)
"""Names, addresses and phone numbers by country, each name with the other spellings under which its owner turns up."""

from dataclasses import dataclass
from random import Random

_CYRILLIC = dict(
    zip(
        "абвгдежзийклмнопрстуфхцчшщъьюя",
        "a b v g d e zh z i y k l m n o p r s t u f h ts ch sh sht a y yu ya".split(),
        strict=True,
    )
)
_OLD_CYRILLIC = _CYRILLIC | {"ж": "j", "й": "j", "ц": "c", "ъ": "u", "ч": "tch", "х": "kh"}
_FOLD = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "ł": "l",
        "ą": "a",
        "ę": "e",
        "ó": "o",
        "ś": "s",
        "ć": "c",
        "ń": "n",
        "ż": "z",
    }
    | {
        "ź": "z",
        "é": "e",
        "è": "e",
        "ê": "e",
        "ç": "c",
        "ë": "e",
        "ï": "i",
        "î": "i",
        "ô": "o",
        "á": "a",
        "í": "i",
        "ñ": "n",
    }
    | {"ú": "u", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "Ł": "L", "Ś": "S", "Ż": "Z", "Ź": "Z", "É": "E", "Á": "A", "Ó": "O"}
)


def transliterate(text: str, *, old: bool = False) -> str:
    """Bulgarian Cyrillic to Latin letters: the official way, or the ways that came before it (`old`)."""
    table = _OLD_CYRILLIC if old else _CYRILLIC
    latin = "".join(table.get(letter, letter) for letter in text.lower())
    return " ".join(word[:1].upper() + word[1:] for word in latin.split(" "))


def fold(text: str) -> str:
    """Latin letters without marks: Müller -> Mueller, Zając -> Zajac."""
    return text.translate(_FOLD)


@dataclass(frozen=True)
class Name:
    """A given or family name: as its owner writes it, in Latin letters, and what else people write for it."""

    native: str
    latin: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    city: str
    latin_city: str
    postal_codes: tuple[int, int]
    digits: int


@dataclass(frozen=True)
class Locale:
    country_code: str
    country: str
    language: str
    weight: float
    women: tuple[Name, ...]
    men: tuple[Name, ...]
    calling_code: str
    trunk: str
    mobile: tuple[str, ...]
    landline: tuple[str, ...]
    time_zone: str
    currency: str
    places: tuple[Place, ...]
    streets: tuple[str, ...]
    number_first: bool = False
    roots: tuple[tuple[str, str], ...] = ()
    endings: tuple[tuple[str, str], ...] = ()
    letters_in_code: bool = False

    @property
    def tag(self) -> str:
        return f"{self.language}-{self.country_code}"

    def family_name(self, chance: Random) -> tuple[Name, Name]:
        """A family name in its forms for a man and for a woman."""
        return _FAMILY_NAMES[self.country_code](self, chance)

    def street(self, chance: Random) -> str:
        number = int(chance.paretovariate(0.7)) % 180 + 1
        street = chance.choice(self.streets)
        return f"{number} {street}" if self.number_first else f"{street} {number}"

    def postal_code(self, place: Place, chance: Random) -> str:
        if self.letters_in_code:
            area = place.latin_city[:1].upper() + ("W" if place.digits == 2 else "")
            letters = chance.choice("ABDEFGHJLNPQRSTUWXYZ") + chance.choice("ABDEFGHJLNPQRSTUWXYZ")
            return f"{area}{chance.randint(1, 28)} {chance.randint(1, 9)}{letters}"
        code = f"{chance.randint(*place.postal_codes):0{place.digits}d}"
        return f"{code[:2]}-{code[2:]}" if self.country_code == "PL" else code


def _bulgarian(locale: Locale, chance: Random) -> tuple[Name, Name]:
    root, ending = chance.choice(locale.roots)

    def form(native: str) -> Name:
        latin = transliterate(native)
        old = transliterate(native, old=True)
        others = {old, latin.removesuffix("ov") + "off" if latin.endswith("ov") else latin} - {latin}
        return Name(native, latin, tuple(sorted(others)))

    return form(root + ending), form(root + ending + "а")


def _polish(locale: Locale, chance: Random) -> tuple[Name, Name]:
    root, _ = chance.choice(locale.roots)
    man, woman = chance.choice(locale.endings)
    return Name(root + man, fold(root + man)), Name(root + woman, fold(root + woman))


def _spanish(locale: Locale, chance: Random) -> tuple[Name, Name]:
    first, second = chance.choice(locale.roots)[0], chance.choice(locale.roots)[0]
    both = f"{first} {second}"
    name = Name(both, fold(both), (first, fold(first), f"{first}-{second}"))
    return name, name


def _thai(locale: Locale, chance: Random) -> tuple[Name, Name]:
    parts = [chance.choice(locale.roots) for _ in range(chance.choice((2, 2, 3)))]
    latin = "".join(part[1] for part in parts).capitalize()
    softened = latin.replace("th", "t").replace("ph", "p").replace("Th", "T").replace("Ph", "P").replace("Ch", "J")
    name = Name("".join(part[0] for part in parts), latin, (softened,) if softened != latin else ())
    return name, name


def _compound(locale: Locale, chance: Random) -> tuple[Name, Name]:
    root, _ = chance.choice(locale.roots)
    ending, _ = chance.choice(locale.endings)
    native = root + ending
    latin = fold(native)
    plain = native.replace("ü", "u").replace("ö", "o").replace("ä", "a").replace("ß", "ss")
    name = Name(native, latin, tuple(sorted({plain} - {native, latin})))
    return name, name


_FAMILY_NAMES = {
    "BG": _bulgarian,
    "PL": _polish,
    "ES": _spanish,
    "TH": _thai,
    "DE": _compound,
    "FR": _compound,
    "GB": _compound,
}


def _given(text: str) -> tuple[Name, ...]:
    """Parse `native/latin+other+other ...`; the Latin form is worked out when it is left out."""
    names = []
    for word in text.split():
        head, *others = word.split("+")
        native, _, latin = head.partition("/")
        cyrillic = native[0] in "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЮЯ"
        latin = latin or (transliterate(native) if cyrillic else fold(native))
        if cyrillic and (old := transliterate(native, old=True)) != latin:
            others.append(old)
        names.append(Name(native, latin, tuple(others)))
    return tuple(names)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    return tuple((native, latin or native) for native, _, latin in (word.partition("/") for word in text.split()))


def _places(text: str, digits: int) -> tuple[Place, ...]:
    """Parse `City/Latin:first-last; ...` with the range of postal codes."""
    places = []
    for entry in text.split(";"):
        names, _, codes = entry.strip().partition(":")
        city, _, latin = names.partition("/")
        first, _, last = codes.partition("-")
        places.append(Place(city, latin or fold(city), (int(first), int(last)), digits))
    return tuple(places)


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.split(";"))


LOCALES: tuple[Locale, ...] = (
    Locale(
        "GB",
        "United Kingdom",
        "en",
        0.28,
        _given(
            "Elizabeth+Liz+Beth+Lizzie Margaret+Maggie+Peggy Katherine+Kate+Katie Jennifer+Jen+Jenny Susan+Sue Victoria+Vicky+Tori "
            "Rebecca+Becky Samantha+Sam Charlotte+Lottie Olivia+Liv Amelia+Millie Isabella+Bella Sophie Emily+Em Jessica+Jess "
            "Hannah Lucy Grace Chloe Eleanor+Ellie Alice Abigail+Abby Natalie+Nat Deborah+Debbie Patricia+Pat+Trish Helen Nicola+Nicky "
            "Joanna+Jo Georgina+Georgie Philippa+Pippa"
        ),
        _given(
            "William+Will+Bill Robert+Rob+Bob Richard+Rick+Dick James+Jim+Jamie Alexander+Alex+Sandy Christopher+Chris Michael+Mike "
            "Thomas+Tom Daniel+Dan Matthew+Matt Andrew+Andy Edward+Ed+Ted Benjamin+Ben Samuel+Sam Joseph+Joe Jonathan+Jon Nicholas+Nick "
            "Anthony+Tony Stephen+Steve+Steven David+Dave Peter+Pete Charles+Charlie Harry Oliver+Olly George Jack Henry Patrick+Paddy "
            "Timothy+Tim Gregory+Greg"
        ),
        "44",
        "0",
        ("740", "742", "750", "752", "771", "781", "785", "791", "796"),
        ("161", "113", "121", "131"),
        "Europe/London",
        "GBP",
        _places(
            "London:1-28;Manchester:1-28;Leeds:1-28;Bristol:1-28;Birmingham:1-28;Edinburgh:1-28;Norwich:1-28;Sheffield:1-28",
            1,
        ),
        _lines(
            "High Street;Station Road;Church Lane;Victoria Road;Mill Lane;Park Avenue;Queens Road;The Crescent;Orchard Close;Albert Street;"
            "Kings Court;Meadow Way;Chapel Hill;Bridge Street;Elm Grove"
        ),
        number_first=True,
        roots=_pairs(
            "Ash Brad Hart Wal Black White Thorn Wood Hamp Mar Stan Raw Clif Hol Win Whit Red Kings Lang Mor Har Ald Rams Beck Brook"
        ),
        endings=_pairs("ford ley ton well field worth ham son man wick bury den croft"),
        letters_in_code=True,
    ),
    Locale(
        "BG",
        "Bulgaria",
        "bg",
        0.20,
        _given(
            "Мария+Mimi+Мими+Mary Елена+Еленка+Eli+Helena Иванка+Vanya+Ваня Десислава+Desi+Деси Гергана+Geri+Гери Йорданка+Dani "
            "Виктория+Viki+Victoria Александра+Ели+Alex+Alexandra Росица+Rosi+Роси Силвия+Sylvia Надежда+Nadya+Надя Цветелина+Ceci+Цвети "
            "Теодора+Tedi+Theodora Радостина+Radi Красимира+Krasi+Краси Снежана+Snezhi Невена+Nevi Калина Петя+Petia Галина+Gali "
            "Боряна+Bori Любов+Lyubka Стефка+Stefi Ралица+Rali Милена+Mila Юлия+Julia Жана+Jana Ивелина+Ivi Антония+Toni Божидара+Bozhi"
        ),
        _given(
            "Александър/Aleksandar+Sasho+Alex+Alexander+Сашо Георги+Gosho+Joro+George+Гошо+Жоро Димитър+Mitko+Dimitar+Митко Иван+Vanyo+Ванко "
            "Николай+Niki+Nikolay+Ники Петър+Pesho+Peter+Пешо Стоян+Stoyko Тодор+Tosho+Тошо Христо+Hristo+Itso+Ицо Ангел+Achko "
            "Васил+Vasko+Васко Атанас+Nasko+Наско Йордан+Dancho+Jordan+Данчо Красимир+Krasi+Краси Пламен+Pacho Владимир+Vlado+Владо "
            "Борислав+Boby+Боби Мартин+Marto Калоян+Kalo Румен+Roumen Цветан+Ceco+Цецо Емил+Emo Любомир+Lyubo+Любо Симеон+Moni+Мони "
            "Живко+Jivko Огнян+Ogi Ивайло+Ivo+Иво Стефан+Stefcho Константин+Kosta+Коста Кирил+Kiro"
        ),
        "359",
        "0",
        ("87", "88", "89"),
        ("2",),
        "Europe/Sofia",
        "EUR",
        _places(
            "София/Sofia:1000-1784;Пловдив/Plovdiv:4000-4023;Варна/Varna:9000-9030;Бургас/Burgas:8000-8021;Русе/Ruse:7000-7020;"
            "Стара Загора/Stara Zagora:6000-6015;Велико Търново/Veliko Tarnovo:5000-5010",
            4,
        ),
        _lines(
            "ул. Иван Вазов;бул. Витоша;ул. Шипка;ул. Граф Игнатиев;бул. България;ул. Александър Стамболийски;ул. Цар Симеон;ул. Раковски;"
            "ж.к. Младост бл.;ж.к. Люлин бл.;ул. Роза;ул. Хан Аспарух"
        ),
        roots=tuple(
            (root, "ов")
            for root in (
                "Иван Петр Димитр Стоян Тодор Ангел Васил Атанас Йордан Марин Павл Стефан Михайл Кръст Борис Кирил Захари Найден Пенч Вълк Рус "
                "Драган Златан Генад Калоян Радослав Бож Добр Милан Недялк Орл Попандр Райк Славейк Трайк Ценк Чавдар Шишк Янк Панайот"
            ).split()
        )
        + tuple(
            (root, "ев")
            for root in "Георги Никола Андре Или Мате Кол Ганч Бонч Тон Дойч Енч Желязк Луле Манч Неде Пеш Ради Стайк Тан Хаджи Гоч".split()
        ),
    ),
    Locale(
        "DE",
        "Germany",
        "de",
        0.15,
        _given(
            "Katharina+Kathi+Katja Elisabeth+Lisa+Elli Johanna+Hanna Christine+Christel+Tine Sabine+Bine Ursula+Uschi Susanne+Susi "
            "Margarete+Grete Franziska+Franzi Alexandra+Alex+Sandra Andrea Heike Anneliese+Anne Gabriele+Gabi Birgit Käthe Renate "
            "Stefanie+Steffi Ulrike+Uli Monika+Moni Brigitte+Gitte Julia+Jule Leonie+Leo Marie+Mia Antje Sophie+Sophia Theresa+Resi"
        ),
        _given(
            "Alexander+Alex+Sascha Johannes+Hannes+Hans Maximilian+Max Sebastian+Basti Friedrich+Fritz Wolfgang+Wolf Jürgen Jörg Günter "
            "Matthias+Matze Christian+Chris Michael+Michi Thomas+Tom Stefan+Steffen Andreas+Andi Heinrich+Heinz Karl+Carl Josef+Sepp "
            "Tobias+Tobi Benjamin+Benni Florian+Flo Lukas+Lucas Philipp+Phil Klaus Ulrich+Uli Rüdiger Sören Björn Dominik Konstantin+Konsti"
        ),
        "49",
        "0",
        ("170", "171", "172", "173", "174", "175"),
        ("30", "40", "89", "69"),
        "Europe/Berlin",
        "EUR",
        _places(
            "Berlin:10115-14199;Hamburg:20095-22769;München:80331-81929;Köln:50667-51149;Leipzig:4103-4357;Düsseldorf:40210-40629;"
            "Nürnberg:90402-90491;Freiburg:79098-79117",
            5,
        ),
        _lines(
            "Hauptstraße;Bahnhofstraße;Gartenweg;Lindenallee;Schulstraße;Goethestraße;Am Markt;Bergstraße;Rosenweg;Kirchplatz;"
            "Mühlenweg;Schillerstraße;Ringstraße;Jägerstraße"
        ),
        roots=_pairs(
            "Berg Stein Hof Müll Schäf Neu Alt Lang Kirch Brandt Fried Sonnen Grün Schön Wein Holz Eich Bach Feld König Köhl Möll Fisch Zimmer"
        ),
        endings=_pairs("er mann berg hardt feld bach meier ner hofer ke ow stein"),
    ),
    Locale(
        "FR",
        "France",
        "fr",
        0.10,
        _given(
            "Élisabeth+Lise+Babeth Catherine+Cathy Françoise+Fanfan Nathalie+Nath Stéphanie+Steph Céline Aurélie Véronique+Véro Léa Zoé "
            "Camille Chloé Manon Inès Mathilde Juliette Hélène+Helene Marguerite+Margot Dominique+Dom Valérie+Val Delphine Amélie Noémie Brigitte"
        ),
        _given(
            "Alexandre+Alex François Frédéric+Fred Jérôme Stéphane+Steph Grégory+Greg Benoît Rémi+Rémy Christophe+Chris Mathieu+Matthieu "
            "Guillaume+Guigui Sébastien+Seb Nicolas+Nico Antoine+Toine Étienne Léo Théo+Théodore Loïc Raphaël+Raph Maxime+Max Gérard Hervé "
            "Vincent Dominique+Dom"
        ),
        "33",
        "0",
        ("61", "62", "63", "66", "67", "68"),
        ("14", "47", "55"),
        "Europe/Paris",
        "EUR",
        _places(
            "Paris:75001-75020;Lyon:69001-69009;Marseille:13001-13016;Toulouse:31000-31500;Nantes:44000-44300;Lille:59000-59800;Besançon:25000-25000",
            5,
        ),
        _lines(
            "rue de la République;avenue Victor Hugo;rue des Lilas;place de l'Église;boulevard Voltaire;rue du Moulin;chemin des Vignes;"
            "rue Pasteur;allée des Cerisiers;rue Émile Zola"
        ),
        number_first=True,
        roots=_pairs(
            "Bertr Mor Lefeb Gir Roch Blanch Fourn Garn Mart Perr Rouss Dub Caill Moul Ben Char Fabr Gaut Lamb Renau Thom Vid"
        ),
        endings=_pairs("and eau in ier ard et ois elle on ault ère ot"),
    ),
    Locale(
        "ES",
        "Spain",
        "es",
        0.08,
        _given(
            "María+Mari Josefa+Pepa Francisca+Paqui Dolores+Lola Concepción+Concha Mercedes+Merche Pilar+Pili Isabel+Isa Teresa+Tere "
            "Lucía Sofía Inés Ángela+Angelita Rocío Verónica+Vero Beatriz+Bea Cristina+Cris Alejandra+Ale Consuelo+Chelo Nuria Raquel"
        ),
        _given(
            "José+Pepe Francisco+Paco+Fran Ignacio+Nacho Jesús+Chus Manuel+Manolo Alejandro+Alex+Ale Rafael+Rafa Antonio+Toni Javier+Javi "
            "Álvaro Óscar+Oscar Ángel Martín Sebastián+Sebas Andrés Joaquín+Quim Enrique+Quique Salvador+Salva Gonzalo+Gonza Tomás Guillermo+Guille"
        ),
        "34",
        "",
        ("61", "62", "63", "65", "66", "69"),
        ("91", "93", "95"),
        "Europe/Madrid",
        "EUR",
        _places(
            "Madrid:28001-28055;Barcelona:8001-8042;Valencia:46001-46025;Sevilla:41001-41020;Málaga:29001-29018;Bilbao:48001-48015",
            5,
        ),
        _lines(
            "Calle Mayor;Calle Real;Avenida de la Constitución;Plaza de España;Calle del Sol;Paseo Marítimo;Calle Nueva;Calle San José;"
            "Avenida Andalucía;Calle Cervantes"
        ),
        roots=_pairs(
            "García López Martínez Sánchez Pérez Gómez Fernández Ruiz Díaz Muñoz Álvarez Romero Navarro Torres Ramos Gil Serrano "
            "Molina Ortega Delgado Castro Ortiz Rubio Iglesias Núñez Peña Vega Cortés Blanco Marín"
        ),
    ),
    Locale(
        "PL",
        "Poland",
        "pl",
        0.09,
        _given(
            "Małgorzata+Gosia+Malgosia Katarzyna+Kasia Agnieszka+Aga Joanna+Asia Barbara+Basia Magdalena+Magda Aleksandra+Ola Elżbieta+Ela "
            "Krystyna+Krysia Anna+Ania Zofia+Zosia Maria+Marysia Łucja Karolina+Karo Natalia+Nati Wiktoria+Wika Paulina Dorota+Dorotka "
            "Beata Urszula+Ula Grażyna Bożena"
        ),
        _given(
            "Aleksander+Olek+Alek Stanisław+Staszek Krzysztof+Krzysiek Wojciech+Wojtek Tomasz+Tomek Paweł Michał Łukasz Jakub+Kuba Jan+Janek "
            "Andrzej+Jedrek Grzegorz+Grzesiek Mateusz+Mati Piotr+Piotrek Józef+Jozek Kazimierz+Kazik Zbigniew+Zbyszek Rafał Sławomir+Slawek "
            "Mikołaj+Miki Bartosz+Bartek Władysław+Wladek"
        ),
        "48",
        "",
        ("50", "51", "53", "60", "66", "69", "78", "88"),
        ("22", "12", "61"),
        "Europe/Warsaw",
        "EUR",
        _places(
            "Warszawa:1-4999;Kraków:30001-31999;Łódź:90001-94999;Wrocław:50001-54999;Poznań:60001-61999;Gdańsk:80001-80999",
            5,
        ),
        _lines(
            "ul. Długa;ul. Kwiatowa;ul. Polna;ul. Leśna;ul. Szkolna;al. Jana Pawła II;ul. Słoneczna;ul. Kościuszki;ul. Mickiewicza;ul. Ogrodowa"
        ),
        roots=_pairs(
            "Kowal Wiśniew Lewandow Zieliń Szymań Woźnia Dąbrow Kozłow Jankow Mazur Krawczyń Piotrow Grabow Nowakow Pawłow Michal "
            "Jabłoń Majew Olszew Stępniew Malinow Jawor Górec Sikor Baran Wróblew"
        ),
        endings=(("ski", "ska"), ("ski", "ska"), ("cki", "cka"), ("czyk", "czyk"), ("owicz", "owicz")),
    ),
    Locale(
        "TH",
        "Thailand",
        "th",
        0.10,
        _given(
            "สมหญิง/Somying+Ying มาลี/Malee+Mali สุดา/Suda+Da อรุณี/Arunee+Nee พิมพ์/Pim+Phim นภา/Napa+Napha กัญญา/Kanya+Ya วันดี/Wandee+Dee "
            "ปราณี/Pranee+Nee จันทร์เพ็ญ/Chanpen+Pen ดวงใจ/Duangjai+Jai รัตนา/Rattana+Ratana ศิริพร/Siriporn+Siri+Porn สุนีย์/Sunee ณัฐธิดา/Natthida+Nat "
            "พรทิพย์/Porntip+Tip+Pornthip ชลธิชา/Chonthicha+Fah อัญชลี/Anchalee+Anchali เบญจมาศ/Benjamas+Ben วิภา/Wipa+Vipa ลัดดา/Ladda"
        ),
        _given(
            "สมชาย/Somchai+Chai ประเสริฐ/Prasert+Sert วิชัย/Wichai+Vichai สุรชัย/Surachai+Chai อนันต์/Anan+Anant ธนา/Thana+Tana กิตติ/Kitti+Kit "
            "ณัฐพล/Natthapon+Nattapol+Nat ชาญชัย/Chanchai ปรีชา/Preecha+Pricha สมศักดิ์/Somsak+Sak วีระ/Weera+Vira พงษ์ศักดิ์/Pongsak+Phongsak "
            "อภิชาติ/Apichat+Aphichat ศักดิ์ชัย/Sakchai เกียรติ/Kiat+Kiet มานะ/Mana บุญมี/Boonmee+Bunmi ทักษิณ/Thaksin ไพโรจน์/Pairoj+Phairot ธีรพงษ์/Teerapong+Tee"
        ),
        "66",
        "0",
        ("81", "82", "84", "86", "89", "91", "95"),
        ("2",),
        "Asia/Bangkok",
        "EUR",
        _places(
            "กรุงเทพมหานคร/Bangkok:10100-10900;เชียงใหม่/Chiang Mai:50000-50300;ภูเก็ต/Phuket:83000-83150;ขอนแก่น/Khon Kaen:40000-40002;"
            "พัทยา/Pattaya:20150-20260",
            5,
        ),
        _lines("ถนนสุขุมวิท;ถนนพหลโยธิน;ถนนเพชรบุรี;ถนนสีลม;ถนนลาดพร้าว;ซอยอารีย์;ถนนนิมมานเหมินท์;ถนนรัชดาภิเษก"),
        roots=_pairs(
            "ศรี/sri วงศ์/wong สุข/suk ทอง/thong บุญ/bun ชัย/chai พงษ์/phong วัฒน์/wat รัตน์/rat เจริญ/charoen แก้ว/kaeo จันทร์/chan มณี/mani "
            "ประ/pra เสริฐ/soet สวัสดิ์/sawat กุล/kun มงคล/mongkhon ธนา/thana"
        ),
    ),
)

WEIGHTS = tuple(locale.weight for locale in LOCALES)
