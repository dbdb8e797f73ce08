{#- Normal forms of postal addresses: the same house written by two people, not a geocoder. -#}

{#-
    Street and house number, folded: the number first, then the street with its kind abbreviated (`High Street 12`, `12
    High St.` -> `12 high s`; `ул. Иван Вазов № 5`, `5 Ivan Vazov` -> `5 ivan vazov`), flat and floor as `ap 3`, `fl 2`
    behind it. The kind is the part that all its abbreviations share, so that road and rue may meet; a street's name and
    postcode tell those apart. Words of English, German, French, Spanish, Italian, Polish, Bulgarian and Russian. 1 M
    distinct values take 6.6 s of CPU time on DuckDB.
-#}
{% macro fold_street(value) -%}
    {{ number_first(street_words(fold_text(marked_units(value)))) }}
{%- endmacro %}

{% macro marked_units(value) -%}
    {{ regexp_swap("replace(" ~ value ~ ", '#', ' ap ')", '№|[nN]°|Nº|nº', ' ') }}
{%- endmacro %}

{% macro street_words(words) -%}
    {#- blanks are doubled, so that two words side by side are both found -#}
    {%- set kinds = ['(s)(?:treet|tr|t|trasse)', '(r)(?:oad|d|ue)', '(av)(?:enue|e|enida|da)?', '(l)(?:ane|n)',
        '(dr)(?:ive|v)?', '(c)(?:our)?(t)', '(sq)(?:uare|r)?',
        '(p)(?:lace|l|laza|latz|za|lac|iazza|loshtad|loshchad)'] -%}
    {%- set more_kinds = ['(cl)(?:ose)?', '(cr)(?:escent|es)?', '(ter)(?:race|r)?', '(h)(?:igh)?w(?:a)?y',
        '(g)(?:ro)?ve?', '(ch)(?:emin)?', '(al)(?:lee|eja|ee)?', '(per)(?:eulok)?', '(n)ab(?:erezhnaya)?'] -%}
    {%- set dropped = 'ul|ulica|ulitsa|utca|dom|no|nr|num|numero|number|nomer|hausnr|hausnummer' -%}
    {%- set flats = 'apartment|apartament|apt|ap|appartement|appt|app|flat|unit|suite|ste|wohnung|whg|interno|' ~
        'kvartira|lok|lokal|mieszkanie' -%}
    {%- set text = "'  ' || replace(" ~ words ~ ", ' ', '  ') || '  '" -%}
    {%- set text = regexp_swap(text, ' (?:' ~ dropped ~ ') ', ' ') -%}
    {#- short words that mean this only before a number -#}
    {%- set text = regexp_swap(text, ' (?:kv|m)  ([0-9])', ' ap  $1') -%}
    {%- set text = regexp_swap(text, ' et  ([0-9])', ' fl  $1') -%}
    {%- set text = regexp_swap(text, ' d  ([0-9])', '  $1') -%}
    {%- set text = regexp_swap(text, ' (?:' ~ flats ~ ') ', ' ap ') -%}
    {%- set text = regexp_swap(text, ' (?:floor|fl|etage|etazh|stock|piso|pietro|og|level) ', ' fl ') -%}
    {%- set text = regexp_swap(text, '([0-9])  ([a-d])  (ap |fl |$)', '$1$2  $3') -%}
    {#- no single letter from a to d: that belongs to a house number -#}
    {%- set text = regexp_swap(text, ' (?:boulevard|boul|blvd|bvd|bul|bulevard|bulvar) ', ' bd ') -%}
    {%- set text = regexp_swap(text, ' (?:calle|c) ', ' cl ') -%}
    {%- set text = regexp_swap(text, ' (?:' ~ kinds | join('|') ~ ') ', ' $1$2$3$4$5$6$7$8$9 ') -%}
    {%- set text = regexp_swap(text, ' (?:' ~ more_kinds | join('|') ~ ') ', ' $1$2$3$4$5$6$7$8$9 ') -%}
    {%- set text = regexp_swap(text, '([a-z]{3})str(?:asse)? ', '$1str ') -%}
    trim({{ regexp_swap(text, ' +', ' ') }})
{%- endmacro %}

{% macro number_first(words) -%}
    {%- set text = regexp_swap(words, '^((?:(?:ap|fl) [0-9]+[a-z]? )+)(.+)$', '$2 $1') -%}
    nullif(trim({{ regexp_swap(text, '^([^0-9]*) ([0-9]+[a-z]?)( .*)?$', '$2 $1$3') }}), '')
{%- endmacro %}

{#-
    A postal code: capitals and digits only (`SW1A 1AA` -> `SW1A1AA`), without a country before it (`D-10115`) and
    without the four digits behind an American one (`94105-1234`). NULL without a digit.
-#}
{% macro normalise_postcode(value) -%}
    {%- set dropped = '^([0-9]{5})-[0-9]{4}$|^[A-Z]{1,3} ?- ?([0-9])|[^0-9A-Z]' -%}
    {%- set plain = regexp_swap("upper(trim(" ~ value ~ "))", dropped, '$1$2') -%}
    case when {{ regexp_remove(plain, '[^0-9]') }} <> '' then {{ plain }} end
{%- endmacro %}

{#-
    What a household shares: street with house number, and postcode or else city, with the country; all in normal form.
    NULL without street or house number, and without postcode and city: such an address is half a town's.
-#}
{% macro postal_address_key(street, postcode, city, country) -%}
    case
        when {{ regexp_remove(street, '[^0-9]') }} <> ''
            then {{ street }} || '|' || coalesce({{ postcode }}, {{ city }}) || '|' || coalesce({{ country }}, '')
    end
{%- endmacro %}
