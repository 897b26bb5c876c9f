"""A shop with a database: what `tests.benchmarks.scopes` runs the tests of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from sqlalchemy import ForeignKey, select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """A table with a number for each row."""

    id: Mapped[int] = mapped_column(primary_key=True)


class Customer(Base):
    __tablename__ = "customers"
    name: Mapped[str]
    mail: Mapped[str] = mapped_column(index=True)


class Address(Base):
    __tablename__ = "addresses"
    customer: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    street: Mapped[str]


class Product(Base):
    __tablename__ = "products"
    name: Mapped[str] = mapped_column(unique=True)
    price: Mapped[int]


class Stock(Base):
    __tablename__ = "stock"
    product: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    left: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    customer: Mapped[int] = mapped_column(ForeignKey("customers.id"), index=True)
    paid: Mapped[bool] = mapped_column(default=False)


class Line(Base):
    __tablename__ = "lines"
    order: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    product: Mapped[int] = mapped_column(ForeignKey("products.id"))
    count: Mapped[int]


class Payment(Base):
    __tablename__ = "payments"
    order: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    amount: Mapped[int]


class Review(Base):
    __tablename__ = "reviews"
    product: Mapped[int] = mapped_column(ForeignKey("products.id"), index=True)
    stars: Mapped[int]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    engine = create_async_engine("sqlite+aiosqlite:///:memory:")
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session:
        session.add_all([Product(name=f"product {number}", price=number) for number in range(1, 31)])
        await session.commit()
    yield {"engine": engine}
    await engine.dispose()


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(request.state.engine, expire_on_commit=False) as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
app = FastAPI(lifespan=lifespan)


class NewCustomer(BaseModel):
    name: str
    mail: str = Field(pattern=r"^\S+@\S+$")


class NewOrder(BaseModel):
    customer: int
    products: dict[int, int]


@app.get("/products/{number}")
async def product(number: int, session: Session) -> dict[str, Any]:
    found = await session.get(Product, number)
    if found is None:
        raise HTTPException(404)
    return {"name": found.name, "price": found.price}


@app.post("/products/{number}/reviews", status_code=201)
async def review(number: int, stars: int, session: Session) -> float:
    session.add(Review(product=number, stars=stars))
    await session.commit()
    given = (await session.scalars(select(Review.stars).where(Review.product == number))).all()
    return sum(given) / len(given)


@app.post("/customers", status_code=201)
async def sign_up(new: NewCustomer, session: Session) -> int:
    customer = Customer(name=new.name, mail=new.mail)
    session.add(customer)
    await session.commit()
    return customer.id


@app.get("/customers/{number}")
async def customer(number: int, session: Session) -> str:
    found = await session.get_one(Customer, number)
    return found.name


@app.post("/orders", status_code=201)
async def order(new: NewOrder, session: Session) -> int:
    made = Order(customer=new.customer)
    session.add(made)
    await session.flush()
    session.add_all([Line(order=made.id, product=number, count=count) for number, count in new.products.items()])
    await session.commit()
    return made.id


async def total(number: int, session: AsyncSession) -> int:
    lines = select(Product.price, Line.count).join(Product, Line.product == Product.id).where(Line.order == number)
    return sum(price * count for price, count in (await session.execute(lines)).all())


@app.get("/orders/{number}")
async def ordered(number: int, session: Session) -> dict[str, Any]:
    found = await session.get(Order, number)
    if found is None:
        raise HTTPException(404)
    return {"total": await total(number, session), "paid": found.paid}


@app.post("/orders/{number}/payments", status_code=201)
async def pay(number: int, session: Session) -> int:
    found = await session.get_one(Order, number)
    if found.paid:
        raise HTTPException(409)
    amount = await total(number, session)
    session.add(Payment(order=number, amount=amount))
    found.paid = True
    await session.commit()
    return amount


@app.delete("/orders/{number}", status_code=204)
async def cancel(number: int, session: Session) -> None:
    await session.delete(await session.get_one(Order, number))
    await session.commit()
